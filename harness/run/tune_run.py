"""Runs a search for the best setting: the plan grows by one trial after the other.

Each trial is added to the plan on disk before it runs, and what it took is recorded when it has been judged: a search
that was stopped, by kill -9 too, is taken up where it was. A setting that cannot be started, or whose target dies, is a
result like any other.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import RunError, SweepspotError
from harness.judge.number_text import figure
from harness.judge.tuning.final import Final
from harness.judge.tuning.observations import failure_of, final_outcome, objective_of, observation_of
from harness.measure.trial import TrialJob, run_trial
from harness.plan.arrivals import Closed
from harness.plan.knobs import setting_text
from harness.plan.plan import TARGET_START_SECONDS, Point, Trial, TrialKind, trial_overhead_seconds
from harness.run.budgeted_tuning import BudgetedTuning, TuneRules, TuneTrial
from harness.run.events import Note, RunStarted, TrialEnded, TrialProgress, TrialStarted
from harness.run.run_job import point_metrics
from harness.run.trial_events import live_text, load_text, result_text
from harness.run.tune_plan import arrivals_at, space_of
from harness.search.setting_search import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.metrics import PointMetrics, TrialMetrics
    from harness.plan.plan import Plan
    from harness.record.run_dir import TrialDir, TrialRecord
    from harness.run.run_job import RunJob

INTERRUPTED = (None, "interrupted")  # failures of a trial that is to be run again


def run_tune(job: RunJob, keep_plan: Callable[[Plan], None]) -> None:
    """Run the search of `job.plan`, whose trials so far may be on disk. `keep_plan` writes a longer plan to disk.

    Raises RunError where no setting can be started.
    """
    job.listener(RunStarted(None))
    run = _TuneRun(job, keep_plan)
    run.take_up()
    while (trial := run.search.next()) is not None:
        run.measure(run.add(trial))
        run.give_up_perhaps()


class _TuneRun:
    """A search with its job. `points`: the metrics of every point that has been measured."""

    def __init__(self, job: RunJob, keep_plan: Callable[[Plan], None]) -> None:
        plan = job.plan
        self.job = job
        self._keep_plan = keep_plan
        self._space = space_of(plan)
        self._levels = plan.tune.levels if plan.tune else ()
        self._final = Final(self._changes, plan.seed)
        self.search = BudgetedTuning(self._space, self._levels, _rules(plan), self._final.stands)
        self._points: dict[int, PointMetrics] = {}
        self._last_ns = monotonic_ns()
        self._in_final = False

    def take_up(self) -> None:
        """Judge the trials that are on disk; run those again that were cut off."""
        for trial in self.job.plan.trials:
            record = self._folder(trial).read()
            if record is None or (not record.finished and record.failure in INTERRUPTED):
                self.measure(trial)
            else:
                self._tell(trial, self._judge(trial), record)

    def add(self, chosen: TuneTrial) -> Trial:
        """Write the plan with one trial more, of a point that it has or of a new one."""
        plan = self.job.plan
        setting, arrivals = self._space.setting(chosen.setting), arrivals_at(plan, chosen.level)
        alike = [point for point in plan.points if point.setting == setting and point.arrivals == arrivals]
        replaced = not plan.trials  # the plan came with the default at some load
        number = 0 if replaced else len(plan.points)
        point = alike[0] if alike else Point(number=number, setting=setting, arrivals=arrivals)
        points = plan.points if alike else (point,) if replaced else (*plan.points, point)
        trial = Trial(
            number=len(plan.trials),
            point=point.number,
            repeat=sum(each.point == point.number for each in plan.trials),
            seed=plan.seed * 7919 + len(plan.trials),
            kind=chosen.kind,
            block=chosen.block,
            seconds=chosen.seconds,
            why=_why(chosen),
        )
        self.job = replace(self.job, plan=msgspec.structs.replace(plan, points=points, trials=(*plan.trials, trial)))
        self._keep_plan(self.job.plan)
        return trial

    def measure(self, trial: Trial) -> None:
        """Run a trial, judge it and tell the search."""
        job, point = self.job, self.job.plan.point(trial.point)
        self._announce(trial)
        name = f"{self._text(point)} ({trial.why})"
        job.listener(TrialStarted(name))
        load = msgspec.structs.replace(job.plan.load, measure_s=trial.seconds or job.plan.seconds)
        plan = msgspec.structs.replace(job.plan, load=load)
        folder = self._folder(trial)
        try:
            record = run_trial(
                TrialJob(plan, trial, point, job.session, job.isolation, folder,
                         lambda live: job.listener(TrialProgress(name, live_text(live))))
            )  # fmt: skip
        except SweepspotError:
            known = folder.read()  # what could not be started is on record
            if known is None:
                raise
            record = known
        job.summaries.read(job.plan, trial)
        metrics = self._judge(trial)
        now_ns = monotonic_ns()
        record = msgspec.structs.replace(record, spent_seconds=(now_ns - self._last_ns) / NS_PER_S)
        self._last_ns = now_ns
        folder.write(record)
        self._tell(trial, metrics, record)
        job.listener(self._ended(name, metrics, record))

    def give_up_perhaps(self) -> None:
        """Raise RunError where nothing can be started."""
        if self.search.hopeless:
            seen = self.search.search.beliefs.observations
            raise RunError(f"none of {len(seen)} settings could be started, the last: {seen[-1].failure}")

    def _judge(self, trial: Trial) -> TrialMetrics:
        """The trial's metrics; those of its point are brought up to date."""
        self._points[trial.point] = found = point_metrics(self.job, self.job.plan.point(trial.point))
        return next(each for each in found.trials if each.trial == trial.number)

    def _tell(self, trial: Trial, metrics: TrialMetrics, record: TrialRecord) -> None:
        plan, point = self.job.plan, self.job.plan.point(trial.point)
        seconds = trial.seconds or plan.seconds
        spent_s = record.spent_seconds
        if spent_s is None:
            spent_s = seconds + trial_overhead_seconds(plan)
        place = self._space.number_of(point.setting), self._level(point)
        done = TuneTrial(*place, trial.kind or TrialKind.EXPLORE, trial.block, seconds, Reason.SCREEN)
        found = self._points[trial.point]
        if trial.kind is TrialKind.CONFIRM:
            outcome = final_outcome(plan, found, metrics, spent_s)
            self._final.add(trial.point, trial.block, seconds, outcome)
            self.search.observe_final(done, outcome)
        else:
            self.search.observe(done, observation_of(plan, found, metrics, place), spent_s)

    def _announce(self, trial: Trial) -> None:
        """Where the final begins: between how many."""
        if trial.kind is TrialKind.CONFIRM and not self._in_final:
            self._in_final = True
            tried = len({tuple(point.setting.items()) for point in self.job.plan.points})
            text = f"{tried} of {len(self._space)} settings were tried; the best of them now get fresh trials"
            self.job.listener(Note(text))

    def _ended(self, name: str, metrics: TrialMetrics, record: TrialRecord) -> TrialEnded:
        failure = failure_of(metrics) or record.failure
        result = "" if failure else f"{result_text(metrics)}{self._best_text()}"
        return TrialEnded(name, result, failure, left_s=self.search.left_s)

    def _best_text(self) -> str:
        best = self.search.search.best()
        if best is None:
            return "; none keeps the limit so far"
        wanted = self._space.setting(best[0]), arrivals_at(self.job.plan, best[1])
        for number, metrics in self._points.items():
            point = self.job.plan.point(number)
            if (point.setting, point.arrivals) == wanted:
                return f"; best so far {figure(objective_of(metrics, self.job.plan).value, 3)}/s: {self._text(point)}"
        return ""

    def _text(self, point: Point) -> str:
        """`batch_size=64, 32 users`: what differs from the default."""
        changed = self._space.changed(self._space.number_of(point.setting))
        words = setting_text({name: point.setting[name] for name in changed}) or "default"
        return f"{words}, {load_text(point)}"

    def _changes(self, point: int) -> int:
        return len(self._space.changed(self._space.number_of(self.job.plan.point(point).setting)))

    def _level(self, point: Point) -> int:
        arrivals = point.arrivals
        value = arrivals.users if isinstance(arrivals, Closed) else getattr(arrivals, "rate_rps", 0.0)
        return self._levels.index(float(value))

    def _folder(self, trial: Trial) -> TrialDir:
        return self.job.run_dir.trial(trial, self.job.plan.point(trial.point))


def _why(chosen: TuneTrial) -> str:
    gain = "" if chosen.gain is None else f", expected gain {figure(100 * chosen.gain, 2)} %"
    return f"{chosen.reason}{gain}"


def _rules(plan: Plan) -> TuneRules:
    return TuneRules(
        budget_s=plan.budget_seconds or 0.0,
        seconds=plan.seconds,
        overhead_s=trial_overhead_seconds(plan),
        restart_s=TARGET_START_SECONDS,
        seed=plan.seed,
        closed=isinstance(plan.points[0].arrivals, Closed),
        limited=plan.slo is not None,
    )
