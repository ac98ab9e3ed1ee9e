"""Runs a capacity search: for each setting, the highest rate of Poisson arrivals at which the SLO is met.

The plan grows: after each trial the search gets everything measured so far, and the next load is added to the plan
before it runs. A capacity run that was stopped therefore resumes, and is reported, like any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from harness.judge.slo_check import surely_missed, trusted, worst_tail_ratio
from harness.plan.arrivals import Poisson
from harness.plan.plan import Point, Trial
from harness.run.capacity_search import LADDER, MAX_TRIES, CapacitySearch, Probe
from harness.run.sweep import point_metrics, run_sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.judge.metrics import PointMetrics
    from harness.plan.arrivals import Arrivals
    from harness.plan.plan import Plan
    from harness.plan.slo import Slo
    from harness.run.sweep import SweepJob

MAX_RATES = 12  # for each setting
CONFIRMING_TRIALS = MAX_TRIES
FIRST_USERS = LADDER[0]  # the load that the plan of a capacity run begins with, for each setting


def run_capacity(job: SweepJob, keep_plan: Callable[[Plan], None]) -> None:
    """Run the plan, and what the search adds to it, until every setting's capacity is known.

    `keep_plan` writes a longer plan to disk before it is run. Raises RunError as `run_sweep` does.
    """
    measured: dict[tuple[int, int], PointMetrics] = {}  # by point and number of its trials
    plan: Plan | None = job.plan
    while plan is not None:
        job = replace(job, plan=plan)
        run_sweep(job)
        plan = longer(job.plan, _metrics(job, measured))
        if plan is not None:
            keep_plan(plan)


def _metrics(job: SweepJob, known: dict[tuple[int, int], PointMetrics]) -> dict[int, PointMetrics]:
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

    Settings are searched one after the other, since a knob may cost a restart of the target; then the rates found
    are run again, setting by setting and round by round, until each has `CONFIRMING_TRIALS`.
    """
    confirmed = []
    for points in _by_setting(plan):
        search = _search(plan, points, metrics)
        load = search.next_load()
        if load is not None:
            return _with_trial(plan, points[0], load)
        confirmed += [
            point
            for point in points
            if isinstance(point.arrivals, Poisson) and point.arrivals.rate_rps == search.low_rps
        ]
    short = [point for point in confirmed if _trials(plan, point) < CONFIRMING_TRIALS]
    if not short:
        return None
    point = min(short, key=lambda point: _trials(plan, point))
    return _with_trial(plan, point, point.arrivals)


def _by_setting(plan: Plan) -> list[list[Point]]:
    groups: dict[bytes, list[Point]] = {}
    for point in plan.points:
        groups.setdefault(msgspec.json.encode(point.setting), []).append(point)
    return list(groups.values())


def _search(plan: Plan, points: list[Point], metrics: dict[int, PointMetrics]) -> CapacitySearch:
    search = CapacitySearch(MAX_RATES)
    for probe in _probes(plan, points, metrics):
        search.observe(probe)
    return search


def _probes(plan: Plan, points: list[Point], metrics: dict[int, PointMetrics]) -> Iterator[Probe]:
    for point in points:
        found, tries = metrics.get(point.number), _trials(plan, point)
        if found is None:
            yield Probe(point.arrivals, 0.0, met=None, tries=MAX_TRIES)  # it failed: what cannot be run is too much
        else:
            ratio = worst_tail_ratio(found, plan.slo) if plan.slo else None
            yield Probe(point.arrivals, found.throughput_rps.value, _met(found, plan.slo), ratio, tries)


def _met(found: PointMetrics, slo: Slo | None) -> bool | None:
    if trusted(found):
        return found.meets_slo
    return False if slo is not None and surely_missed(found, slo) else None


def _trials(plan: Plan, point: Point) -> int:
    return sum(trial.point == point.number for trial in plan.trials)


def _with_trial(plan: Plan, like: Point, load: Arrivals) -> Plan:
    """The plan with one trial more, of a point that it has or of a new one."""
    known = [point for point in plan.points if point.setting == like.setting and point.arrivals == load]
    point = known[0] if known else Point(number=len(plan.points), setting=like.setting, arrivals=load)
    number = len(plan.trials)
    trial = Trial(number=number, point=point.number, repeat=_trials(plan, point), seed=plan.seed * 7919 + number)
    points = plan.points if known else (*plan.points, point)
    return msgspec.structs.replace(plan, points=points, trials=(*plan.trials, trial))
