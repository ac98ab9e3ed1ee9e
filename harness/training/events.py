"""What a training run tells whoever watches it, beside what `harness.run.events` has for every run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.run.events import Note, Prepared, Preparing

if TYPE_CHECKING:
    from harness.plan.plan import Trial
    from harness.training.epochs import Epoch
    from harness.training.metrics import FitMetrics
    from harness.training.plan import TrainingPlan, TrainingPoint


@dataclass(frozen=True, slots=True)
class TrainingStarted:
    """The plan stands; `fits_left` fits of `epochs_left` epochs together are to be run."""

    plan: TrainingPlan
    fits_left: int
    epochs_left: int


@dataclass(frozen=True, slots=True)
class FitStarted:
    """A fit begins, with its trainer's start."""

    trial: Trial
    point: TrainingPoint
    epochs: int


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """An epoch is over and on disk."""

    row: Epoch


@dataclass(frozen=True, slots=True)
class FitEnded:
    """A fit is over; `metrics` None where it left no epoch."""

    trial: Trial
    point: TrainingPoint
    metrics: FitMetrics | None
    failure: str | None


TrainingEvent = Preparing | Prepared | Note | TrainingStarted | FitStarted | EpochEnded | FitEnded


class TrainingListener(Protocol):
    """Takes the events as they happen, in the process that runs the training."""

    def __call__(self, event: TrainingEvent) -> None:
        """Show or ignore one event."""
