"""Runs a sweep: every trial of the plan that has not finished, one after the other, each stored before the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.answers.precision import is_settled, with_precision
from harness.judge.summarise import summarise_point
from harness.measure.trial import TrialJob, fail_trial, run_trial
from harness.plan.plan import trial_overhead_seconds
from harness.run.events import RunStarted, TrialEnded, TrialProgress, TrialSkipped, TrialStarted
from harness.run.failures import Failures
from harness.run.trial_text import live_text, point_text, result_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.cpu_cores import Isolation
    from harness.judge.metrics import PointMetrics
    from harness.judge.summarise import TrialSummary
    from harness.judge.trial_summaries import TrialSummaries
    from harness.measure.forks.fork_server import TrialForks
    from harness.measure.target.session import Session
    from harness.plan.plan import Plan, Point
    from harness.record.load_report import Live
    from harness.record.run_dir import RunDir, TrialRecord
    from harness.run.events import Listener


LONG_TRIAL_S = 10.0  # from here on, how much of a trial has passed is shown


@dataclass(frozen=True, slots=True)
class SweepJob:
    """What to run, where to store it, and what to call with events and finished points."""

    plan: Plan
    run_dir: RunDir
    session: Session
    isolation: Isolation
    listener: Listener
    on_point: Callable[[PointMetrics], None]  # called once a point has had its last repeat
    summaries: TrialSummaries  # of the trials that have ended
    forks: TrialForks | None = None  # of the trials' processes


def run_sweep(job: SweepJob) -> None:
    """Run the unfinished trials. Raises RunError where `Failures` says that the run is past saving."""
    plan, run_dir, listener = job.plan, job.run_dir, job.listener
    left = list(run_dir.unfinished(plan))
    listener(RunStarted(None if plan.capacity else len(left)))
    last_trial = {trial.point: trial.number for trial in plan.trials}
    settled = _settled_before(job)
    failures = Failures(plan)
    for place, (trial, point) in enumerate(left):
        if point.number in settled:
            listener(TrialSkipped())
            continue
        listener(trial_started(plan, point))
        folder = run_dir.trial(trial, point)
        later_s = (len(left) - place - 1) * (plan.seconds + trial_overhead_seconds(plan))
        watch = live_reporter(listener, plan, point, later_s)
        trial_job = TrialJob(plan, trial, point, job.session, job.isolation, folder, watch, forks=job.forks)
        known = failures.of_start(point)
        record = run_trial(trial_job) if known is None else fail_trial(trial_job, known)
        listener(trial_ended(record, job.summaries.read(plan, trial)))
        if plan.precision is not None or trial.number == last_trial[point.number]:
            metrics = point_metrics(job, point)
            if is_settled(metrics, plan):
                settled.add(point.number)
            if point.number in settled or trial.number == last_trial[point.number]:
                job.on_point(metrics)
        failures.see(record)
    failures.require_start()


def trial_started(plan: Plan, point: Point) -> TrialStarted:
    """The event that a trial of `point` begins; the seconds of a long one are counted."""
    seconds = round(plan.seconds) if plan.seconds >= LONG_TRIAL_S else 0
    return TrialStarted(point_text(point), seconds, "seconds")


def live_reporter(listener: Listener, plan: Plan, point: Point, later_s: float | None = None) -> Callable[[Live], None]:
    """A function that reports how the trial of `point` goes.

    later_s: what the trials after it take; None: the time that is left is not known.
    """
    seconds = plan.seconds

    def report(live: Live) -> None:
        step = min(int(live.seconds), round(seconds)) if seconds >= LONG_TRIAL_S else 0
        left_s = None if later_s is None else max(0.0, seconds - live.seconds) + later_s
        listener(TrialProgress(point_text(point), live_text(live), step, left_s))

    return report


def trial_ended(record: TrialRecord, summary: TrialSummary) -> TrialEnded:
    """The event that says how a trial ended."""
    failure = record.failure or (None if summary.durations else "no request was measured")
    if not summary.durations:
        return TrialEnded(point_text(record.point), "", failure)
    metrics = summary.metrics
    p99 = metrics.response.at(0.99)
    rate_rps, p99_ms = metrics.throughput_rps.value, p99.value_ms if p99 else None
    return TrialEnded(point_text(record.point), result_text(metrics), failure, rate_rps=rate_rps, p99_ms=p99_ms)


def point_metrics(job: SweepJob, point: Point) -> PointMetrics:
    """The point's numbers over the trials that it has had (at least one)."""
    metrics = summarise_point(point, job.summaries.of_point(job.plan, point.number), job.plan.slo)
    return with_precision([metrics], job.plan)[0]


def _settled_before(job: SweepJob) -> set[int]:
    """The points of a resumed run that need no further trial."""
    plan = job.plan
    if plan.precision is None:
        return set()
    begun = [point for point in plan.points if job.run_dir.has_trials(plan, point.number)]
    return {point.number for point in begun if is_settled(point_metrics(job, point), plan)}
