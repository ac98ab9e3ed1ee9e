"""Runs a budgeted sweep: the plan grows trial by trial until the best point is decided or the budget is spent.

Each trial is added to the plan on disk before it runs, and what it took is recorded when it has been judged. A sweep
that was stopped is therefore taken up where it was: what is on disk is judged again, in the same order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from harness.clock import NS_PER_S, monotonic_ns
from harness.judge.answers.trial_outcomes import candidate_trial, candidates_of, limit_of, outcome_of
from harness.judge.number_text import figure
from harness.measure.trial import TrialJob, fail_trial, run_trial
from harness.plan.plan import TARGET_START_SECONDS, Trial, TrialKind, trial_overhead_seconds
from harness.run.budgeted_sweep import BudgetedSweep, SweepRules
from harness.run.events import Note, RunStarted, TrialStarted
from harness.run.failures import Failures
from harness.run.run_job import point_metrics
from harness.run.trial_events import live_reporter, point_text, trial_ended

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.answers.trial_history import CandidateTrial
    from harness.judge.metrics import PointMetrics, TrialMetrics
    from harness.plan.plan import Plan
    from harness.record.run_dir import TrialDir, TrialRecord
    from harness.run.run_job import RunJob

WHAT_FOR = {None: "left", TrialKind.EXPLORE: "measured on", TrialKind.CONFIRM: "confirmed by fresh trials"}
INTERRUPTED = (None, "interrupted")  # failures of a trial that is to be run again


def run_budgeted_sweep(job: RunJob, keep_plan: Callable[[Plan], None]) -> None:
    """Run the budgeted sweep of `job.plan`, whose trials may be on disk. `keep_plan` writes a longer plan to disk.

    Raises RunError where `Failures` says that the run is past saving.
    """
    job.listener(RunStarted(None))
    run = _BudgetedSweepRun(job, keep_plan)
    run.take_up()
    while (trial := run.sweep.next()) is not None:
        run.measure(run.add(trial))
    run.failures.require_start()


class _BudgetedSweepRun:
    """A budgeted sweep with its job. `points`: the metrics of every point that has been measured."""

    def __init__(self, job: RunJob, keep_plan: Callable[[Plan], None]) -> None:
        plan = job.plan
        self.job = job
        self.sweep = BudgetedSweep(candidates_of(plan), _rules(plan))
        self._keep_plan = keep_plan
        self._points: dict[int, PointMetrics] = {}
        self._block = 0
        self.failures = Failures(plan)
        self._last_ns = monotonic_ns()

    def take_up(self) -> None:
        """Judge the trials that are on disk; run those again that were cut off."""
        for trial in self.job.plan.trials:
            self.sweep.next()  # so that it plans what it planned then
            record = self._folder(trial).read()
            if record is None or (not record.finished and record.failure in INTERRUPTED):
                self.measure(trial)
            else:
                self._tell(trial, self._judge(trial), record)

    def add(self, trial: CandidateTrial) -> Trial:
        """Write the plan with one trial more."""
        plan = self.job.plan
        number = len(plan.trials)
        added = Trial(
            number=number,
            point=trial.point,
            repeat=sum(each.point == trial.point for each in plan.trials),
            seed=plan.seed * 7919 + number,
            kind=trial.kind,
            block=trial.block,
            seconds=trial.seconds,
        )
        self.job = replace(self.job, plan=msgspec.structs.replace(plan, trials=(*plan.trials, added)))
        self._keep_plan(self.job.plan)
        return added

    def measure(self, trial: Trial) -> None:
        """Run a trial, judge it and tell the sweep. Raises RunError where the target is past saving."""
        job = self.job
        point = job.plan.point(trial.point)
        self._announce(trial)
        job.listener(TrialStarted(point_text(point)))
        load = msgspec.structs.replace(job.plan.load, measure_s=trial.seconds or job.plan.seconds)
        plan = msgspec.structs.replace(job.plan, load=load)
        watch = live_reporter(job.listener, plan, point)
        trial_job = TrialJob(plan, trial, point, job.session, job.isolation, self._folder(trial), watch)
        known = self.failures.of_start(point)
        record = run_trial(trial_job) if known is None else fail_trial(trial_job, known)
        summary = job.summaries.read(job.plan, trial)
        metrics = self._judge(trial)
        now_ns = monotonic_ns()
        record = msgspec.structs.replace(record, spent_seconds=(now_ns - self._last_ns) / NS_PER_S)
        self._last_ns = now_ns
        self._folder(trial).write(record)
        self._tell(trial, metrics, record)
        job.listener(replace(trial_ended(record, summary), left_s=self.sweep.left_s))
        self.failures.see(record)

    def _judge(self, trial: Trial) -> TrialMetrics:
        """The trial's metrics; those of its point are brought up to date."""
        self._points[trial.point] = found = point_metrics(self.job, self.job.plan.point(trial.point))
        return next(each for each in found.trials if each.trial == trial.number)

    def _tell(self, trial: Trial, metrics: TrialMetrics, record: TrialRecord) -> None:
        plan = self.job.plan
        limit = limit_of(self._points[trial.point], plan.slo)
        planned_s = (trial.seconds or plan.seconds) + trial_overhead_seconds(plan)
        spent_s = planned_s if record.spent_seconds is None else record.spent_seconds
        self.sweep.observe(candidate_trial(plan, trial), outcome_of(metrics, limit, spent_s))

    def _announce(self, trial: Trial) -> None:
        """Where a new block begins: which points are still measured, and which is ahead."""
        if trial.block <= self._block:
            return
        self._block = trial.block
        sweep, plan = self.sweep, self.job.plan
        leader = sweep.history.leader()
        ahead = "none is known to keep the limit"
        if leader is not None and leader in self._points:
            rate = figure(self._points[leader].rate.value, 3)
            ahead = f"{point_text(plan.point(leader))} is ahead with {rate} {plan.rate_unit}"
        several = len(sweep.planned_points())
        self.job.listener(Note(f"{several} of {len(plan.points)} points are {WHAT_FOR[trial.kind]}; {ahead}"))

    def _folder(self, trial: Trial) -> TrialDir:
        return self.job.run_dir.trial(trial, self.job.plan.point(trial.point))


def _rules(plan: Plan) -> SweepRules:
    return SweepRules(
        budget_s=plan.budget_seconds or 0.0,
        seconds=plan.seconds,
        overhead_s=trial_overhead_seconds(plan),
        restart_s=TARGET_START_SECONDS,
        seed=plan.seed,
    )
