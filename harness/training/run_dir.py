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
from typing import TYPE_CHECKING, Literal, TypeVar

import msgspec

from harness.plan.plan import Trial
from harness.record.environment import Environment
from harness.record.run_folder import RunFolder, TrialFolder, kind_of
from harness.training.epochs import read_epochs
from harness.training.fit_result import Fit
from harness.training.plan import TRAINING_SCHEMA_VERSION, TrainingPlan, TrainingPoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from harness.training.epochs import Epoch

_T = TypeVar("_T")


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `run.json` holds."""

    kind: Literal["training"] = "training"
    plan: TrainingPlan
    command_line: str
    started_at: str  # ISO 8601, UTC
    harness_version: str
    environment: Environment
    gated: bool = False  # the user gave --target-accuracy: missing it is a failure
    schema_version: int = TRAINING_SCHEMA_VERSION


class FitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `trial.json` holds."""

    trial: Trial
    point: TrainingPoint
    finished: bool  # False: interrupted or failed, and to be run again on --resume
    failure: str | None = None  # in words, for the report
    trainer_died: bool = False
    exit_code: int | None = None
    sampler_failure: str | None = None
    schema_version: int = TRAINING_SCHEMA_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class FitEvidence:
    """Everything that one trial left behind, before anything is computed from it.

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
    trainer_died: bool = False


class FitDir(TrialFolder):
    """One trial's folder."""

    @property
    def epochs(self) -> Path:
        """Where the trainer writes a row per epoch."""
        return self.path / "epochs.arrow"

    @property
    def log(self) -> Path:
        """What the trainer prints."""
        return self.path / "trainer.log"

    def read(self) -> FitRecord | None:
        """The trial's record; None where the trial never got to write one."""
        return _read(self.path / "trial.json", FitRecord)

    def evidence(self, plan: TrainingPlan, trial: Trial, point: TrainingPoint) -> FitEvidence:
        """Everything measured in this trial, as far as it can be read."""
        from harness.record.samples import read_samples

        record = self.read()
        return FitEvidence(
            trial=trial,
            point=point,
            planned_epochs=plan.epochs[point.number],
            epochs=read_epochs(self.epochs),
            samples=read_samples(self.samples) if self.samples.exists() else None,
            fit=_read(self.path / "fit.json", Fit),
            failure=record.failure if record else "the trial was cut off before its end",
            trainer_died=record.trainer_died if record else False,
        )


class TrainingDir(RunFolder):
    """One training run's folder."""

    kind = "training"

    def read(self) -> TrainingRecord:
        """The run's record. Raises UserError where it is damaged or of a later version."""
        try:
            return msgspec.json.decode((self.path / "run.json").read_bytes(), type=TrainingRecord)
        except msgspec.DecodeError as error:
            raise self.unreadable(TRAINING_SCHEMA_VERSION, error) from error

    def trial(self, trial: Trial, point: TrainingPoint) -> FitDir:
        """The folder of one trial."""
        return FitDir(self.path / "trials" / f"{trial.number:03d}-{point.slug}-s{trial.seed}")

    def unfinished(self, plan: TrainingPlan) -> Iterator[tuple[Trial, TrainingPoint]]:
        """The trials still to be run, in their order."""
        for trial in plan.trials:
            point = plan.point(trial.point)
            record = self.trial(trial, point).read()
            if record is None or not record.finished:
                yield trial, point

    def evidence(self, plan: TrainingPlan, point_number: int | None = None) -> Iterator[FitEvidence]:
        """What was measured, trial by trial, of one point or of all; trials never started are left out."""
        for trial in plan.trials:
            point = plan.point(trial.point)
            folder = self.trial(trial, point)
            if folder.path.is_dir() and point_number in (None, point.number):
                yield folder.evidence(plan, trial, point)


def _read(path: Path, kind: type[_T]) -> _T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def is_training(run_dir: Path) -> bool:
    """Whether the folder holds a training run."""
    return kind_of(run_dir) == TrainingDir.kind
