"""Runs a plan that grows trial by trial: a search chooses each trial by what the earlier ones found.

Each trial is added to the plan on disk before it runs, and what it took is recorded when it has been judged: a run
that was stopped, by kill -9 too, goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import msgspec

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import RunError
from harness.plan.plan import Trial, trial_overhead_seconds
from harness.run.events import Note, RunStarted
from harness.run.run_job import longer_plan, measure, point_metrics
from harness.run.trial_events import trial_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.metrics import PointMetrics, TrialMetrics
    from harness.plan.plan import Plan, Point, TrialKind
    from harness.record.run_dir import TrialRecord
    from harness.run.failures import Failures
    from harness.run.run_job import RunJob

INTERRUPTED = (None, "interrupted")  # failures of a trial that is to be run again


@dataclass(frozen=True, slots=True)
class ChosenTrial:
    """A trial that a search wants: of which point (perhaps a new one), for how long, what for, in which block."""

    point: Point
    seconds: float
    kind: TrialKind
    block: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class MeasuredTrial:
    """A trial that has ended: its figures, those of its point over all repeats, and the seconds that it took in all."""

    plan: Plan
    trial: Trial
    point: PointMetrics
    metrics: TrialMetrics
    spent_s: float


class TrialSearch(Protocol):
    """Chooses the trials of a plan that grows."""

    @property
    def left_s(self) -> float:
        """What is left of the budget."""

    def next(self, plan: Plan) -> ChosenTrial | None:
        """The next trial; None: nothing is left to find out, or the budget does not last for another."""

    def observe(self, done: MeasuredTrial) -> None:
        """Learn from a trial: the one that `next` chose, or one on disk when a run is resumed."""

    def name(self, plan: Plan, trial: Trial) -> str:
        """The name by which the progress shows the trial."""

    def announcement(self, plan: Plan, trial: Trial) -> str | None:
        """A line for the user before this trial; None where nothing new begins with it."""

    def remark(self, plan: Plan) -> str:
        """Text that the progress shows behind the result of the latest trial."""


def run_adaptive(job: RunJob, search: TrialSearch, failures: Failures, keep_plan: Callable[[Plan], None]) -> None:
    """Run the trials that `search` chooses, after those that are on disk. `keep_plan` writes a longer plan to disk.

    Raises RunError where `failures` ends the run, or where the budget was over before the first trial.
    """
    job.listener(RunStarted(None))
    run = _AdaptiveRun(job, search, failures, keep_plan)
    run.resume()
    while (chosen := search.next(run.job.plan)) is not None:
        run.measure(run.add(chosen))
    failures.require_start()
    if not run.job.plan.trials:
        raise RunError(
            "the budget was over before the first trial, since starting took that long; give more (--budget)"
        )


class _AdaptiveRun:
    """A search with its job, whose plan grows."""

    def __init__(self, job: RunJob, search: TrialSearch, failures: Failures, keep_plan: Callable[[Plan], None]) -> None:
        self.job = job
        self._search = search
        self._failures = failures
        self._keep_plan = keep_plan
        self._last_ns = monotonic_ns()

    def resume(self) -> None:
        """Learn from the trials that are on disk; run those again that were cut off."""
        for trial in self.job.plan.trials:
            record = self.job.folder(trial).read()
            if record is None or (not record.finished and record.failure in INTERRUPTED):
                self.measure(trial)
            else:
                self._failures.recall(record)
                self._observe(trial, record)

    def add(self, chosen: ChosenTrial) -> Trial:
        """Write the plan with the chosen trial as its last one."""
        trial = Trial(
            number=0, point=0, repeat=0, seed=0,  # `longer_plan` numbers it
            kind=chosen.kind, block=chosen.block, seconds=chosen.seconds, why=chosen.why,
        )  # fmt: skip
        self.job = replace(self.job, plan=longer_plan(self.job.plan, trial, chosen.point))
        self._keep_plan(self.job.plan)
        return self.job.plan.trials[-1]

    def measure(self, trial: Trial) -> None:
        """Run a trial and learn from it. Raises RunError where the target is past saving."""
        job = self.job
        if announcement := self._search.announcement(job.plan, trial):
            job.listener(Note(announcement))
        name = self._search.name(job.plan, trial)
        record, summary = measure(job, trial, self._failures.run, name=name)
        now_ns = monotonic_ns()
        record = msgspec.structs.replace(record, spent_seconds=(now_ns - self._last_ns) / NS_PER_S)
        self._last_ns = now_ns
        job.folder(trial).write(record)
        self._observe(trial, record)
        ended = trial_ended(record, summary, name, self._search.remark(job.plan))
        job.listener(replace(ended, left_s=self._search.left_s))
        self._failures.see(record)

    def _observe(self, trial: Trial, record: TrialRecord) -> None:
        plan = self.job.plan
        found = point_metrics(self.job, plan.point(trial.point))
        metrics = next(each for each in found.trials if each.trial == trial.number)
        spent_s = record.spent_seconds
        if spent_s is None:
            spent_s = (trial.seconds or plan.seconds) + trial_overhead_seconds(plan)
        self._search.observe(MeasuredTrial(plan, trial, found, metrics, spent_s))
