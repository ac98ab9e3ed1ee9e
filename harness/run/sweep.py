"""A sweep: for every trial of the plan that is not finished, run it and keep it before the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import RunError
from harness.judge.answers.precision import is_settled, with_precision
from harness.judge.summarise import summarise_point, summarise_trial
from harness.measure.trial import TrialJob, run_trial
from harness.run.events import RunStarted, TrialEnded, TrialProgress, TrialSkipped, TrialStarted
from harness.run.trial_text import live_text, point_text, result_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.cpu_cores import Isolation
    from harness.judge.metrics import PointMetrics, TrialMetrics
    from harness.measure.target.session import Session
    from harness.plan.plan import Plan, Point
    from harness.record.load_report import Live
    from harness.record.run_dir import RunDir, TrialRecord
    from harness.run.events import Listener

MAX_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class SweepJob:
    """What to run, where to keep it, and who is told."""

    plan: Plan
    run_dir: RunDir
    session: Session
    isolation: Isolation
    listener: Listener
    on_point: Callable[[PointMetrics], None]  # called once a point has had its last repeat


def run_sweep(job: SweepJob) -> None:
    """Run the unfinished trials. Raises RunError after three failures in a row: the target is past saving."""
    plan, run_dir, listener = job.plan, job.run_dir, job.listener
    left = list(run_dir.unfinished(plan))
    listener(RunStarted(None if plan.capacity else len(left)))
    last_trial = {trial.point: trial.number for trial in plan.trials}
    settled = _settled_before(job)
    failures_in_a_row = 0
    for trial, point in left:
        if point.number in settled:
            listener(TrialSkipped())
            continue
        listener(TrialStarted(point_text(point)))
        folder = run_dir.trial(trial, point)
        watch = live_reporter(listener, point)
        record = run_trial(TrialJob(plan, trial, point, job.session, job.isolation, folder, watch))
        listener(trial_ended(record, _trial_metrics(job, record)))
        if plan.precision is not None or trial.number == last_trial[point.number]:
            metrics = point_metrics(job, point)
            if is_settled(metrics, plan):
                settled.add(point.number)
            if point.number in settled or trial.number == last_trial[point.number]:
                job.on_point(metrics)
        failures_in_a_row = 0 if record.failure is None else failures_in_a_row + 1
        if failures_in_a_row == MAX_FAILURES_IN_A_ROW:
            raise RunError(f"{failures_in_a_row} trials in a row failed, the last: {record.failure}")


def live_reporter(listener: Listener, point: Point) -> Callable[[Live], None]:
    """A function that passes on how the trial of `point` goes."""
    return lambda live: listener(TrialProgress(point_text(point), live_text(live)))


def trial_ended(record: TrialRecord, metrics: TrialMetrics | None) -> TrialEnded:
    """The event that says how a trial ended."""
    failure = record.failure or ("no request was recorded" if metrics is None else None)
    return TrialEnded(point_text(record.point), result_text(metrics) if metrics else "", failure)


def _trial_metrics(job: SweepJob, record: TrialRecord) -> TrialMetrics | None:
    evidence = job.run_dir.trial(record.trial, record.point).evidence(job.plan, record.trial, record.point)
    return summarise_trial(evidence, job.plan.slo) if evidence.rows is not None and evidence.reports else None


def point_metrics(job: SweepJob, point: Point) -> PointMetrics:
    """The point's numbers over the trials that it has had (at least one)."""
    metrics = summarise_point(point, list(job.run_dir.evidence(job.plan, point.number)), job.plan.slo)
    return with_precision([metrics], job.plan)[0]


def _settled_before(job: SweepJob) -> set[int]:
    """The points that need no further trial, where a run goes on that was stopped."""
    plan = job.plan
    if plan.precision is None:
        return set()
    begun = [point for point in plan.points if any(job.run_dir.evidence(plan, point.number))]
    return {point.number for point in begun if is_settled(point_metrics(job, point), plan)}
