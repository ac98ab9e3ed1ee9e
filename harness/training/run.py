"""Runs a training plan: fits every unfinished trial and records it before the next begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import RunError, UserError
from harness.measure.samplers.sampler_process import SamplerProcess
from harness.run.events import Prepared, RunStarted, TrialEnded, TrialProgress, TrialStarted, progress_events
from harness.training.progress import TimeLeft, epoch_text, fit_text, result_text
from harness.training.run_dir import FitRecord
from harness.training.trainer_process import start_trainer
from harness.training.training_summary import summarise_fit, summarise_training_point

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.plan.plan import Trial
    from harness.run.events import Listener
    from harness.training.epochs import Epoch
    from harness.training.plan import TrainingPlan, TrainingPoint
    from harness.training.run_dir import TrainingDir
    from harness.training.trainer_process import TrainerProcess
    from harness.training.trainer_spec import TrainerSpec
    from harness.training.training_metrics import TrainingPointMetrics

MAX_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What to fit, where to record it, and what to call with events and finished points."""

    plan: TrainingPlan
    run_dir: TrainingDir
    trainer: TrainerSpec
    listener: Listener
    on_point: Callable[[TrainingPointMetrics], None]  # called after the last seed of a point


def run_training(job: TrainingJob) -> None:
    """Run the unfinished trials. Raises RunError after three failures in a row, UserError where a knob does not fit."""
    plan = job.plan
    left = list(job.run_dir.unfinished(plan))
    time_left = TimeLeft(len(left), sum(plan.epochs[point.number] for _, point in left))
    job.listener(RunStarted(len(left)))
    last_trial = {trial.point: trial.number for trial in plan.trials}
    failures_in_a_row = 0
    for trial, point in left:
        record = run_fit(job, trial, point, time_left)
        if trial.number == last_trial[point.number]:
            fits = list(job.run_dir.data(plan, point.number))
            job.on_point(summarise_training_point(plan, point, fits))
        failures_in_a_row = 0 if record.failure is None else failures_in_a_row + 1
        if failures_in_a_row == MAX_FAILURES_IN_A_ROW:
            raise RunError(f"{failures_in_a_row} fits in a row failed, the last: {record.failure}")


def run_fit(job: TrainingJob, trial: Trial, point: TrainingPoint, time_left: TimeLeft) -> FitRecord:
    """Fit once, write the trial's record and report the result. Raises KeyboardInterrupt after a stop."""
    plan, name, epochs = job.plan, fit_text(trial, point), job.plan.epochs[point.number]
    folder = job.run_dir.trial(trial, point)

    def on_epoch(row: Epoch) -> None:
        if row.epoch == 1:
            job.listener(Prepared())  # the trainer has started
        time_left.epoch_ended(row)
        figures = f"epoch {row.epoch}/{epochs}: {epoch_text(row)}"
        job.listener(TrialProgress(name, figures, step=row.epoch, left_s=time_left.seconds))

    job.listener(TrialStarted(name, steps=epochs))
    time_left.fit_started()
    record = _measure_fit(job, trial, point, on_epoch)
    data = folder.data(plan, trial, point)
    time_left.fit_ended(skipped_epochs=epochs - len(data.epochs))
    failure = record.failure or (None if data.epochs else "the trainer left no epoch")
    result = result_text(summarise_fit(data, plan)) if data.epochs else ""
    job.listener(TrialEnded(name, result, failure, left_s=time_left.seconds))
    return record


def _measure_fit(job: TrainingJob, trial: Trial, point: TrainingPoint, on_epoch: Callable[[Epoch], None]) -> FitRecord:
    """Run the trainer with the samplers beside it."""
    folder = job.run_dir.trial(trial, point)
    folder.create()
    argv = job.trainer.argv(job.plan.model, job.plan.setting_of(point), trial.seed, folder.path)
    failure: str | None = "interrupted"
    trainer: TrainerProcess | None = None
    samplers: SamplerProcess | None = None
    try:
        with (
            start_trainer(argv, folder.log) as trainer,
            SamplerProcess(out=folder.samples, target_pid=trainer.process.pid, load_pid=None) as samplers,
        ):
            failure = trainer.wait(progress_events(job.listener), on_epoch)
    except UserError as error:
        failure = str(error)
        raise
    finally:
        exit_code = trainer.process.exit_code if trainer else None
        record = FitRecord(
            trial=trial,
            point=point,
            finished=failure is None,
            failure=failure,
            trainer_died=failure not in (None, "interrupted") and exit_code not in (0, None),
            exit_code=exit_code,
            sampler_failure=samplers.failure if samplers else None,
        )
        folder.write(record)
    return record
