"""A training run: for every trial of the plan that is not finished, fit it and keep it before the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import RunError, UserError
from harness.measure.samplers.sampler_process import SamplerProcess
from harness.run.events import Prepared, Preparing
from harness.training.events import EpochEnded, FitEnded, FitStarted, TrainingStarted
from harness.training.run_dir import FitRecord
from harness.training.summarise import summarise_fit, summarise_training_point
from harness.training.trainer_process import FitOrder, TrainerProcess

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.plan.plan import Trial
    from harness.training.events import TrainingListener
    from harness.training.metrics import TrainingPointMetrics
    from harness.training.plan import TrainingPlan, TrainingPoint
    from harness.training.run_dir import FitDir, TrainingDir
    from harness.training.trainer_spec import TrainerSpec

MAX_FAILURES_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What to fit, where to keep it, and who is told."""

    plan: TrainingPlan
    run_dir: TrainingDir
    trainer: TrainerSpec
    listener: TrainingListener
    on_point: Callable[[TrainingPointMetrics], None]  # called once a point has had its last seed


def run_training(job: TrainingJob) -> None:
    """Run the unfinished trials. Raises RunError after three failures in a row, UserError where a knob does not fit."""
    plan = job.plan
    left = list(job.run_dir.unfinished(plan))
    job.listener(TrainingStarted(plan, len(left), sum(plan.epochs[point.number] for _, point in left)))
    last_trial = {trial.point: trial.number for trial in plan.trials}
    failures_in_a_row = 0
    for trial, point in left:
        job.listener(FitStarted(trial, point, plan.epochs[point.number]))
        folder = job.run_dir.trial(trial, point)
        record = run_fit(job, trial, point, folder)
        evidence = folder.evidence(plan, trial, point)
        metrics = summarise_fit(evidence, plan) if evidence.epochs else None
        job.listener(FitEnded(trial, point, metrics, record.failure))
        if trial.number == last_trial[point.number]:
            fits = list(job.run_dir.evidence(plan, point.number))
            job.on_point(summarise_training_point(plan, point, fits))
        failures_in_a_row = 0 if record.failure is None else failures_in_a_row + 1
        if failures_in_a_row == MAX_FAILURES_IN_A_ROW:
            raise RunError(f"{failures_in_a_row} fits in a row failed, the last: {record.failure}")


def run_fit(job: TrainingJob, trial: Trial, point: TrainingPoint, folder: FitDir) -> FitRecord:
    """Fit once, with the samplers beside it, and write the trial's record. Raises KeyboardInterrupt after a stop."""
    folder.create()
    order = FitOrder(
        spec=job.trainer,
        model=job.plan.model,
        setting=job.plan.setting(point),
        seed=trial.seed,
        folder=folder.path,
    )
    failure: str | None = "interrupted"
    trainer = TrainerProcess(order, folder.log)
    samplers: SamplerProcess | None = None
    try:
        with trainer, SamplerProcess(out=folder.samples, target_pid=trainer.pid, load_pid=None) as samplers:
            failure = trainer.wait(
                lambda stage, done, total: job.listener(Preparing(stage, done, total)),
                lambda row: job.listener(EpochEnded(row)),
            )
            job.listener(Prepared())
    except UserError as error:
        failure = str(error)
        raise
    finally:
        record = FitRecord(
            trial=trial,
            point=point,
            finished=failure is None,
            failure=failure,
            trainer_died=failure is not None and trainer.exit_code not in (0, None) and failure != "interrupted",
            exit_code=trainer.exit_code,
            sampler_failure=samplers.failure if samplers else None,
        )
        folder.write(record)
    return record
