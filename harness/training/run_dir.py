"""The run directory of a training run.

    <run>/run.json                         TrainingRecord: plan, command line, environment
    <run>/trials/<n>-<slug>/trial.json     FitRecord, written last: a trial without it did not finish
                           /epochs.arrow   a row per epoch, by the trainer as it happens
                           /fit.json       Fit, by the trainer once it is over
                           /samples.arrow  by the samplers
                           /trainer.log

Schema history: 1 = first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from harness.files import read_if_whole
from harness.record.run_folder import BaseRunRecord, BaseTrialRecord, RunFolder, TrialFolder
from harness.training.epochs import read_epochs
from harness.training.fit_result import Fit
from harness.training.plan import TRAINING_SCHEMA_VERSION, TrainingPlan, TrainingPoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from harness.plan.plan import BasePoint, Trial
    from harness.training.epochs import Epoch


class TrainingRecord(BaseRunRecord, frozen=True, kw_only=True):
    """What `run.json` holds."""

    kind: Literal["training"] = "training"
    plan: TrainingPlan
    schema_version: int = TRAINING_SCHEMA_VERSION


class FitRecord(BaseTrialRecord, frozen=True, kw_only=True):
    """What `trial.json` holds."""

    point: TrainingPoint
    trainer_died: bool = False
    exit_code: int | None = None
    schema_version: int = TRAINING_SCHEMA_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class FitData:
    """Everything that was recorded of one trial, before anything is computed from it.

    samples: `harness.record.samples.sample_schema()`; None where the samplers wrote nothing.
    fit: None where the trainer did not come to its end.
    """

    trial: Trial
    point: TrainingPoint
    planned_epochs: int
    epochs: tuple[Epoch, ...] = ()
    samples: pa.Table | None = None
    fit: Fit | None = None
    failure: str | None = None  # why the trial did not end in order, in words
    sampler_failure: str | None = None  # why the samplers ended too early, in words
    trainer_died: bool = False


class FitDir(TrialFolder[FitRecord]):
    """One trial's folder."""

    record_type = FitRecord

    @property
    def log(self) -> Path:
        """What the trainer prints."""
        return self.path / "trainer.log"

    def data(self, plan: TrainingPlan, trial: Trial, point: TrainingPoint) -> FitData:
        """Everything measured in this trial, as far as it can be read."""
        from harness.record.samples import read_samples

        record = self.read()
        damaged = self.damaged(record)
        return FitData(
            trial=trial,
            point=point,
            planned_epochs=plan.epochs[point.number],
            epochs=read_epochs(self.path / "epochs.arrow"),
            samples=read_samples(self.samples) if self.samples.exists() else None,
            fit=read_if_whole(self.path / "fit.json", Fit),
            failure=_failure(record, damaged),
            sampler_failure=record.sampler_failure if record else None,
            trainer_died=record.trainer_died if record else False,
        )


def _failure(record: FitRecord | None, damaged: tuple[str, ...]) -> str | None:
    if damaged:
        return f"files are damaged: {', '.join(damaged)}"
    return record.failure if record else "the trial was cut off before its end"


class TrainingDir(RunFolder[TrainingRecord, FitDir]):
    """One training run's folder."""

    kind = "training"
    record_type = TrainingRecord

    def trial(self, trial: Trial, point: BasePoint) -> FitDir:
        """The folder of one trial."""
        return FitDir(self.path / "trials" / f"{trial.number:03d}-{point.slug}-s{trial.seed}")

    def data(self, plan: TrainingPlan, point_number: int | None = None) -> Iterator[FitData]:
        """What was measured, trial by trial, of one point or of all; trials never started are left out."""
        for trial, point, folder in self.trials(plan):
            if folder.path.is_dir() and point_number in (None, point.number):
                yield folder.data(plan, trial, point)
