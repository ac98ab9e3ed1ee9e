"""A sweep: for every trial of the plan that is not finished, run it and keep it before the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import RunError
from harness.events import RunStarted, TrialEnded, TrialStarted
from harness.summary import summarise_trial
from harness.trial import TrialJob, run_trial

if TYPE_CHECKING:
    from harness.events import Listener
    from harness.isolation import Isolation
    from harness.metrics import TrialMetrics
    from harness.plan import Plan, Point
    from harness.session import Session
    from harness.store import RunDir, TrialRecord

MAX_FAILURES_IN_A_ROW = 3


def run_sweep(plan: Plan, run_dir: RunDir, session: Session, isolation: Isolation, listener: Listener) -> None:
    """Run the unfinished trials. Raises RunError after three failures in a row: the target is past saving."""
    left = list(run_dir.unfinished(plan))
    listener(RunStarted(plan, len(left)))
    failures_in_a_row = 0
    for trial, point in left:
        listener(TrialStarted(trial, point))
        folder = run_dir.trial(trial, point)
        record = run_trial(TrialJob(plan, trial, point, session, isolation, folder))
        listener(TrialEnded(trial, point, _metrics(plan, point, record, run_dir), record.failure))
        failures_in_a_row = 0 if record.failure is None else failures_in_a_row + 1
        if failures_in_a_row == MAX_FAILURES_IN_A_ROW:
            raise RunError(f"{failures_in_a_row} trials in a row failed, the last: {record.failure}")


def _metrics(plan: Plan, point: Point, record: TrialRecord, run_dir: RunDir) -> TrialMetrics | None:
    evidence = run_dir.trial(record.trial, point).evidence(record.trial, point)
    return summarise_trial(evidence, plan.slo) if evidence.rows is not None and evidence.reports else None
