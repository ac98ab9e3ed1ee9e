"""What the repeats of a sweep say of how much one trial differs from the next, for each kind of figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.stats.trial_noise import PRIOR_NOISE, LogMean, TrialNoise, log_rate, trial_noise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from harness.judge.stats.durations import Durations

    LogMeans = Mapping[str, LogMean]  # of one trial, by kind of figure; without those that it has none of

THROUGHPUT = "throughput"


@dataclass(frozen=True, slots=True)
class NoiseByKind:
    """The trial noise of throughput, and that of each kind of duration ("response", "service", "ttft", ...)."""

    by_kind: Mapping[str, TrialNoise]

    def of(self, kind: str) -> TrialNoise:
        """That of one kind of figure; the prior where no trial had any."""
        return self.by_kind.get(kind, PRIOR_NOISE)


PRIOR_NOISE_BY_KIND = NoiseByKind({})  # where there is only one trial


def log_means(rates_rps: NDArray[np.float64], durations: Mapping[str, Durations]) -> LogMeans:
    """The logarithm of one trial's throughput, and of each kind of duration."""
    found = {THROUGHPUT: log_rate(rates_rps)}
    found |= {kind: each.log_mean for kind, each in durations.items()}
    return {kind: each for kind, each in found.items() if each is not None}


def noise_by_kind(points: Sequence[Sequence[LogMeans]]) -> NoiseByKind:
    """The trial noise of each kind of figure, from every trial of every point."""
    kinds = dict.fromkeys(kind for trials in points for trial in trials for kind in trial)
    return NoiseByKind({
        kind: trial_noise([[trial[kind] for trial in trials if kind in trial] for trials in points]) for kind in kinds
    })  # fmt: skip
