"""Keeps the summaries of a run's trials, so that the rows of each trial are read from disk once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.summarise import summarise_trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.summarise import TrialSummary
    from harness.plan.plan import Plan, Trial
    from harness.record.run_dir import RunDir


class TrialSummaries:
    """The summaries of one run directory's trials, by number of the trial. They are in memory, the rows are not."""

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir
        self._known: dict[int, TrialSummary] = {}

    def read(self, plan: Plan, trial: Trial) -> TrialSummary:
        """Read the trial's rows now and keep its summary in place of any earlier one: the trial has just ended."""
        summary = summarise_trial(self.run_dir.trial_data(plan, trial), plan.slo)
        self._known[trial.number] = summary
        return summary

    def of_point(self, plan: Plan, point_number: int) -> list[TrialSummary]:
        """Those of one point's trials that have begun; only rows that were never read are read."""
        return [self._of(plan, trial) for trial in self.run_dir.begun(plan, point_number)]

    def of_run(self, plan: Plan) -> Iterator[TrialSummary]:
        """Those of all trials that have begun."""
        return (self._of(plan, trial) for trial in self.run_dir.begun(plan))

    def _of(self, plan: Plan, trial: Trial) -> TrialSummary:
        return self._known.get(trial.number) or self.read(plan, trial)
