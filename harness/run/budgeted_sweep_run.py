"""Runs a budgeted sweep until the best point is decided or the budget is spent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.judge.decision.history_of_plan import candidate_trial, candidates_of, limit_of, outcome_of
from harness.judge.number_text import figure
from harness.plan.option_text import seconds_text
from harness.plan.plan import TARGET_START_SECONDS, TrialKind, trial_overhead_seconds
from harness.run.adaptive_run import ChosenTrial, run_adaptive
from harness.run.budgeted_sweep import BudgetedSweep, SweepRules
from harness.run.failures import Failures
from harness.run.trial_events import point_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.metrics import PointMetrics
    from harness.plan.plan import Plan, Trial
    from harness.run.adaptive_run import MeasuredTrial
    from harness.run.run_job import RunJob

MINUTE_S = 60.0
WHAT_FOR = {None: "left", TrialKind.EXPLORE: "still measured", TrialKind.CONFIRM: "confirmed by fresh trials"}


def run_budgeted_sweep(job: RunJob, keep_plan: Callable[[Plan], None]) -> None:
    """Run the budgeted sweep of `job.plan`; arguments and errors are those of `run_adaptive`."""
    run_adaptive(job, _Search(job.plan, job.beside_s), Failures(job.plan), keep_plan)


class _Search:
    """A budgeted sweep as a search of trials."""

    def __init__(self, plan: Plan, beside_s: float) -> None:
        self._sweep = BudgetedSweep(candidates_of(plan), sweep_rules(plan, beside_s))
        self._points: dict[int, PointMetrics] = {}
        self._block = 0
        self._short = False  # it was said that the budget does not last for a first trial of each point

    @property
    def left_s(self) -> float:
        """What is left of the budget."""
        return self._sweep.left_s

    def next(self, plan: Plan) -> ChosenTrial | None:
        """The next trial, of one of the plan's points."""
        trial = self._sweep.next()
        if trial is None:
            return None
        return ChosenTrial(plan.point(trial.point), trial.seconds, trial.kind, trial.block)

    def observe(self, done: MeasuredTrial) -> None:
        """Learn from a trial."""
        self._sweep.next()  # a sweep that is resumed plans what it planned then
        self._points[done.point.point] = done.point
        limit = limit_of(done.point, done.plan.slo)
        self._sweep.observe(candidate_trial(done.plan, done.trial), outcome_of(done.metrics, limit, done.spent_s))

    def name(self, plan: Plan, trial: Trial) -> str:
        """The name of its point."""
        return point_text(plan.point(trial.point))

    def announcement(self, plan: Plan, trial: Trial) -> str | None:
        """Where a new block begins: how many points are still measured, and which is ahead."""
        if trial.block <= self._block:
            return None
        self._block = trial.block
        leader = self._sweep.history.leader()
        ahead = (
            "none is known to keep the limit"
            if self._sweep.history.looks()
            else "disturbances spoiled every trial so far"
        )
        if leader is not None and leader in self._points:
            rate = figure(self._points[leader].rate.value, 3)
            ahead = f"{point_text(plan.point(leader))} is ahead with {rate} {plan.rate_unit}"
        several = len(self._sweep.planned_points())
        return f"{several} of {len(plan.points)} points are {WHAT_FOR[trial.kind]}; {ahead}"

    def remark(self, plan: Plan) -> str:
        """That the budget does not last for a first trial of each point, once that is known: a start may take long."""
        short_s = self._sweep.short_by_s
        if self._short or not short_s:
            return ""
        self._short = True
        enough = seconds_text(MINUTE_S * math.ceil(((plan.budget_seconds or 0.0) + short_s) / MINUTE_S))
        return f"; the budget does not last for a trial of each point, and --budget {enough} would"


def sweep_rules(plan: Plan, beside_s: float) -> SweepRules:
    """What the plan lets a sweep or a search spend on trials; `beside_s` of its budget goes elsewhere."""
    return SweepRules(
        budget_s=max((plan.budget_seconds or 0.0) - beside_s, 0.0),
        seconds=plan.seconds,
        overhead_s=trial_overhead_seconds(plan),
        restart_s=TARGET_START_SECONDS,
        seed=plan.seed,
    )
