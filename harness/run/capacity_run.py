"""Runs a capacity search: for each setting, the highest rate of Poisson arrivals at which the SLO is met.

The plan grows: after each trial the search gets everything measured so far, and the next load is added to the plan
before it runs. A capacity run that was stopped therefore resumes, and is reported, like any other.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError
from harness.judge.capacity.capacities import rate_trials
from harness.judge.numbers.limit_counts import FAILED
from harness.judge.slo_check import QUANTILES, trusted
from harness.plan.option_text import seconds_text
from harness.plan.plan import Point, Trial, trial_seconds
from harness.run.capacity_search import LADDER, LEAST_TRIALS, CapacitySearch, Probe
from harness.run.events import RunStarted
from harness.run.failures import Failures
from harness.run.grid_run import run_trials, unfinished_trials
from harness.run.run_job import longer_plan, point_at, point_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.judge.metrics import PointMetrics
    from harness.plan.plan import Plan
    from harness.plan.slo import Slo
    from harness.run.run_job import RunJob

FIRST_USERS = LADDER[0]  # the load that the plan of a capacity run begins with, for each setting


def checked_capacity_plan(plan: Plan, *, given: bool = True) -> Plan:
    """The plan, whose budget the user gave or not: a default one grows to what the rates of a setting take at least.

    Raises UserError for a given one that is shorter, and for a limit that cannot be searched.
    """
    if plan.slo is not None:
        _refuse_uncounted(plan.slo)
    needed_s = LEAST_TRIALS * trial_seconds(plan)
    if given and plan.capacity_budget_s < needed_s:
        raise UserError(
            f"--budget {seconds_text(plan.capacity_budget_s)}: the rates of one setting take {LEAST_TRIALS} trials or "
            f"more, about {math.ceil(needed_s)} s; give more, or less --seconds"
        )
    return msgspec.structs.replace(plan, capacity_budget_s=max(plan.capacity_budget_s, needed_s))


def _refuse_uncounted(slo: Slo) -> None:
    """Raise UserError for a bound of which no request can be said to break it: the search counts those that do."""
    for bound in (*slo.bounds, *(each for own in slo.of_classes.values() for each in own)):
        if bound.metric != FAILED and bound.metric.rpartition("_")[2] not in QUANTILES:
            raise UserError(
                f"--slo {bound}: `capacity` searches limits on percentiles and errors, not on a mean or a maximum; "
                "give one such as 'p99<50ms'"
            )


def run_capacity(job: RunJob, keep_plan: Callable[[Plan], None]) -> None:
    """Run the plan, and what the search adds to it, until every setting's capacity is known.

    A trial that failed is a result, as where a rate kills the target: it is not run again. `keep_plan` writes a longer
    plan to disk before it is run. Raises RunError where no setting can be served.
    """
    failures = Failures(job.plan, of_settings=True)
    measured: dict[tuple[int, int], PointMetrics] = {}  # by point and number of its trials
    job.listener(RunStarted(None))
    run_trials(job, unfinished_trials(job, failures), failures)
    while (plan := longer(job.plan, _metrics(job, measured))) is not None:
        keep_plan(plan)
        added = plan.trials[len(job.plan.trials) :]
        job = replace(job, plan=plan)
        run_trials(job, added, failures)
    failures.require_start()


def _metrics(job: RunJob, known: dict[tuple[int, int], PointMetrics]) -> dict[int, PointMetrics]:
    """The figures of every point, computed again only where trials were added."""
    found = {}
    for point in job.plan.points:
        key = (point.number, sum(trial.point == point.number for trial in job.plan.trials))
        if key not in known and job.run_dir.has_trials(job.plan, point.number):
            known[key] = point_metrics(job, point)
        if key in known:
            found[point.number] = known[key]
    return found


def longer(plan: Plan, metrics: dict[int, PointMetrics]) -> Plan | None:
    """The plan with the next trial, by what was measured so far (by number of the point); None: all is known.

    Settings are searched one after the other, since a knob may cost a restart of the target.
    """
    for points in _by_setting(plan):
        load = _search(plan, points, metrics).next_load()
        if load is not None:
            trial = Trial(number=0, point=0, repeat=0, seed=0)
            return longer_plan(plan, trial, point_at(plan, points[0].setting, load))
    return None


def _by_setting(plan: Plan) -> list[list[Point]]:
    groups: dict[bytes, list[Point]] = {}
    for point in plan.points:
        groups.setdefault(msgspec.json.encode(point.setting), []).append(point)
    return list(groups.values())


def _search(plan: Plan, points: list[Point], metrics: dict[int, PointMetrics]) -> CapacitySearch:
    search = CapacitySearch(round(plan.capacity_budget_s / trial_seconds(plan)))
    for probe in _probes(plan, points, metrics):
        search.observe(probe)
    return search


def _probes(plan: Plan, points: list[Point], metrics: dict[int, PointMetrics]) -> Iterator[Probe]:
    """What came of each load. Where disturbances spoiled every trial, all of them count: the machine is what it is."""
    rated = [found for point in points if (found := metrics.get(point.number)) and found.rate_target_rps is not None]
    spoiled = not any(trusted(found) for found in rated)
    for point in points:
        found, tries = metrics.get(point.number), _trials(plan, point)
        started = found is not None and not all(trial.start_failure for trial in found.trials)
        rate_rps = found.throughput_rps.value if found and started else None
        yield Probe(point.arrivals, rate_rps, rate_trials([found], plan.slo, harmed=spoiled) if found else {}, tries)


def _trials(plan: Plan, point: Point) -> int:
    return sum(trial.point == point.number for trial in plan.trials)
