"""What points and figures of training are called, and how shares are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.findings import FindingKind
from reports import units
from reports.labels import setting_label

if TYPE_CHECKING:
    from harness.judge.interval import Interval
    from harness.training.metrics import TrainingPointMetrics

_FIT_WORDS = {
    FindingKind.DIVERGED: "diverged",
    FindingKind.NOT_LEARNED: "learned nothing",
    FindingKind.OVERFITTING: "overfits",
    FindingKind.UNDERFITTING: "underfits",
    FindingKind.UNCONVERGED: "still learning",
}


def label(point: TrainingPointMetrics) -> str:
    """`learning_rate=0.01`."""
    return setting_label(point.setting) or "the model"


def fit_words(point: TrainingPointMetrics) -> str:
    """`overfits`, `underfits, still learning`; `balanced` where neither shows, a dash where nothing came out."""
    kinds = [finding.kind for finding in point.findings]
    words = [word for kind, word in _FIT_WORDS.items() if kind in kinds]
    return ", ".join(words) or ("balanced" if point.seeds else units.ABSENT)


def share(value: float | None) -> str:
    """A share of 1 in percent, one digit behind the point: the resolution of a thousand examples."""
    return units.ABSENT if value is None else f"{100 * value:.1f}"


def shares(estimate: Interval | None) -> tuple[str, str]:
    """A share in percent and its interval."""
    if estimate is None:
        return units.ABSENT, ""
    known = estimate.low is not None and estimate.high is not None
    return share(estimate.value), f"{share(estimate.low)}{units.ABSENT}{share(estimate.high)}" if known else ""
