"""The types of all numbers that a training report may show. `harness/training/training_summary.py` computes them.

Accuracies and gaps are shares of 1. A number that the fits cannot support is None, never zero; an interval over
seeds needs three of them.
"""

from __future__ import annotations

import msgspec

from harness.judge.findings import Finding, Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Usage
from harness.judge.run_result import BaseRecommendation
from harness.plan.knobs import Setting
from harness.record.model_card import ModelCard


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity over epochs: means over seeds, and the lowest and highest of them. Equal-length columns."""

    epochs: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


class Curves(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy and loss over the epochs that every seed of the point has with finite losses."""

    train_accuracy: Curve
    validation_accuracy: Curve
    train_loss: Curve
    validation_loss: Curve


class FitMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One fit: one point from one seed. Final figures are those after the last epoch."""

    trial: int
    repeat: int
    seed: int
    epochs: int
    planned_epochs: int
    diverged_epoch: int | None  # the first whose loss was no finite number
    seconds: float  # spent fitting, judging excluded
    train_loss: float | None
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
    test_loss: float | None
    test_accuracy: float | None
    gap: float | None  # training accuracy - validation accuracy
    lowest_loss_epoch: int | None  # where the validation loss was lowest
    loss_rise: float | None  # validation loss at the end over its lowest, minus 1
    samples_per_s: float | None  # examples fitted per second, the first epoch (which compiles) excluded
    seconds_to_target: float | None  # spent fitting until the validation accuracy first reached the target
    usage: Usage
    verdict: Verdict
    findings: tuple[Finding, ...]

    @property
    def whole(self) -> bool:
        """Whether the fit ran to its end with finite losses."""
        return self.test_accuracy is not None and self.diverged_epoch is None


class TrainingPointMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """One setting over its seeds: means over the fits that came to their end."""

    point: int
    setting: Setting  # the swept knobs only
    seeds: int  # fits that came to their end
    epochs: int  # planned
    seconds: Interval | None  # spent fitting
    test_accuracy: Interval | None
    test_sampling: Interval | None  # the mean with the interval that so many test examples allow (Wilson)
    test_loss: Interval | None
    validation_accuracy: Interval | None
    train_accuracy: Interval | None
    gap: Interval | None
    samples_per_s: Interval | None
    seconds_to_target: Interval | None  # None unless every seed reached the target
    reached_target: int  # seeds that did
    meets_target: bool | None  # mean test accuracy against the target; None where there is none
    curves: Curves
    usage: Usage
    verdict: Verdict
    findings: tuple[Finding, ...]
    fits: tuple[FitMetrics, ...]


class TrainingRecommendation(BaseRecommendation, frozen=True, kw_only=True):
    """Which setting to train with."""

    gain: Interval | None = None  # test accuracy of best minus baseline, seed by seed


class TrainingResult(msgspec.Struct, frozen=True, kw_only=True):
    """All that a report shows of one training run, plan and environment excepted."""

    points: tuple[TrainingPointMetrics, ...]
    recommendation: TrainingRecommendation = msgspec.field(name="answer")
    verdict: Verdict
    model: ModelCard | None = None  # of the recommended point's first seed
    setting: Setting = {}  # every knob of that fit
    validation_count: int | None = None
    devices: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()  # what the run directory lacks, in words

    @property
    def keeps_limit(self) -> bool:
        """Whether any point reaches the target accuracy."""
        return any(point.meets_target for point in self.points)
