"""Runs a grid: every trial of the plan that has not finished, one after the other, each stored before the next."""

from __future__ import annotations

from harness.judge.answers.precision import is_settled
from harness.measure.trial import TrialJob, fail_trial, run_trial
from harness.plan.plan import trial_overhead_seconds
from harness.run.events import RunStarted, TrialSkipped
from harness.run.failures import Failures
from harness.run.run_job import RunJob, point_metrics
from harness.run.trial_events import live_reporter, trial_ended, trial_started


def run_grid(job: RunJob) -> None:
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
        trial_job = TrialJob(plan, trial, point, job.session, job.isolation, folder, watch)
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


def _settled_before(job: RunJob) -> set[int]:
    """The points of a resumed run that need no further trial."""
    plan = job.plan
    if plan.precision is None:
        return set()
    begun = [point for point in plan.points if job.run_dir.has_trials(plan, point.number)]
    return {point.number for point in begun if is_settled(point_metrics(job, point), plan)}
