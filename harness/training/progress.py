"""Text for the progress of a training run: name and result of a fit, figures of an epoch, time left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.clock import NS_PER_S, monotonic_ns
from harness.judge.number_text import figure
from harness.plan.knobs import setting_text

if TYPE_CHECKING:
    from harness.plan.plan import Trial
    from harness.training.epochs import Epoch
    from harness.training.plan import TrainingPoint
    from harness.training.training_metrics import FitMetrics


def fit_text(trial: Trial, point: TrainingPoint) -> str:
    """`learning_rate=0.01, seed 2`."""
    return ", ".join(filter(None, (setting_text(point.setting), f"seed {trial.seed}")))


def epoch_text(row: Epoch) -> str:
    """`loss 0.31, accuracy 0.942 (validation 0.41, 0.913)`."""
    train = f"loss {figure(row.train_loss, 3)}, accuracy {row.train_accuracy:.3f}"
    return f"{train} (validation {figure(row.validation_loss, 3)}, {row.validation_accuracy:.3f})"


def result_text(metrics: FitMetrics) -> str:
    """`test accuracy 0.964, loss 0.13`, with the verdict where it is not VALID."""
    verdict = "" if metrics.verdict == "VALID" else f" {metrics.verdict}"
    if metrics.test_accuracy is None:
        kinds = ", ".join(finding.kind.replace("_", " ") for finding in metrics.findings)
        return f"{kinds or 'no test'}{verdict}"
    loss = "" if metrics.test_loss is None else f", loss {figure(metrics.test_loss, 3)}"
    rate = "" if metrics.samples_per_s is None else f", {figure(metrics.samples_per_s)} examples/s"
    return f"test accuracy {metrics.test_accuracy:.3f}{loss}{rate}{verdict}"


class TimeLeft:
    """Estimates how long the remaining fits take, from the epochs and the trainer starts measured so far."""

    def __init__(self, fits: int, epochs: int) -> None:
        self._fits, self._epochs = fits, epochs
        self._epoch_ns = self._start_ns = self._begun_ns = 0
        self._seen_epochs = self._seen_starts = 0

    def fit_started(self) -> None:
        """A trainer is started."""
        self._begun_ns = monotonic_ns()
        self._fits -= 1

    def epoch_ended(self, row: Epoch) -> None:
        """An epoch is over."""
        if row.epoch == 1:
            self._start_ns += row.begin_ns - self._begun_ns
            self._seen_starts += 1
        self._epoch_ns += row.end_ns - row.begin_ns
        self._seen_epochs += 1
        self._epochs -= 1

    def fit_ended(self, skipped_epochs: int) -> None:
        """A fit is over, of which `skipped_epochs` were not run."""
        self._epochs -= skipped_epochs

    @property
    def seconds(self) -> float | None:
        """The estimate; None before the first epoch has ended."""
        if not self._seen_epochs:
            return None
        starts_ns = self._fits * self._start_ns / max(self._seen_starts, 1)
        return (self._epochs * self._epoch_ns / self._seen_epochs + starts_ns) / NS_PER_S
