"""What each step of preprocessing takes of the mean response time, wherever it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.metrics import Steps
from harness.judge.numbers.time_split import mean_ms_of, weighted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judge.metrics import TrialMetrics
    from harness.judge.numbers.trial_rows import RowColumns

STEPS = ("clean", "transform", "normalise", "augment")


def trial_steps(good: RowColumns) -> Steps | None:
    """Means over good answers of each step of preprocessing; None where no step was timed."""
    steps_ms = {f"{name}_ms": mean_ms_of(good[f"{name}_ns"]) for name in STEPS} if len(good) else {}
    return Steps(**steps_ms) if any(ms is not None for ms in steps_ms.values()) else None


def pooled_steps(trials: Sequence[TrialMetrics]) -> Steps | None:
    """The mean over repeats, each weighing as many good answers as it has."""
    timed = [trial for trial in trials if trial.steps]
    means = {
        name: weighted([(getattr(trial.steps, name), trial.counts.ok) for trial in timed])
        for name in Steps.__struct_fields__
    }
    return Steps(**means) if timed else None
