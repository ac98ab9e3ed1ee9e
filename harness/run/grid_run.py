"""Runs a grid: every trial of the plan that has not finished, one after the other, each stored before the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.conclusions.precision import is_settled
from harness.plan.plan import trial_seconds
from harness.run.events import RunStarted, TrialSkipped
from harness.run.failures import Failures
from harness.run.run_job import RunJob, measure, point_metrics
from harness.run.trial_events import trial_ended

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.plan.plan import Trial


def run_grid(job: RunJob) -> None:
    """Run the unfinished trials. Raises RunError where `Failures` says that the run is past saving."""
    failures = Failures(job.plan)
    left = unfinished_trials(job, failures)
    job.listener(RunStarted(len(left)))
    run_trials(job, left, failures)
    failures.require_start()


def unfinished_trials(job: RunJob, failures: Failures) -> list[Trial]:
    """The trials that are left to run. From those that an earlier part of the run finished, `failures` learns."""
    left = []
    for trial, _, folder in job.run_dir.trials(job.plan):
        record = folder.read()
        if record is not None and record.finished:
            failures.recall(record)
        else:
            left.append(trial)
    return left


def run_trials(job: RunJob, left: Sequence[Trial], failures: Failures) -> None:
    """Run these trials of the plan. Raises RunError where `failures` says that the run is past saving."""
    plan, listener = job.plan, job.listener
    last_trial = {trial.point: trial.number for trial in plan.trials}
    settled = _settled_before(job)
    for place, trial in enumerate(left):
        point = plan.point(trial.point)
        if point.number in settled:
            listener(TrialSkipped())
            continue
        later_s = (len(left) - place - 1) * trial_seconds(plan)
        record, summary = measure(job, trial, failures.run, later_s=later_s)
        listener(trial_ended(record, summary))
        if plan.precision is not None or trial.number == last_trial[point.number]:
            metrics = point_metrics(job, point)
            if is_settled(metrics, plan):
                settled.add(point.number)
            if point.number in settled or trial.number == last_trial[point.number]:
                job.on_point(metrics)
        failures.see(record)


def _settled_before(job: RunJob) -> set[int]:
    """The points of a resumed run that need no further trial."""
    plan = job.plan
    if plan.precision is None:
        return set()
    begun = [point for point in plan.points if job.run_dir.has_trials(plan, point.number)]
    return {point.number for point in begun if is_settled(point_metrics(job, point), plan)}
