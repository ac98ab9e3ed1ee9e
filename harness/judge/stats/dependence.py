"""How many independent samples the requests of several trials are worth, for a share of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.judge.stats.autocorrelation import indicator_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

STRETCHES = 20
_GREATEST_RHO = 0.9


class Clustering(NamedTuple):
    """How the slow requests of one trial cluster: `seen` of its `rows` are slow.

    geyer, batches: tau by autocorrelation and by stretches. means: the share of slow rows in each stretch, (stretches,)
    """

    rows: int
    seen: int
    geyer: float = 1.0
    batches: float = 1.0
    means: NDArray[np.float64] | None = None

    @property
    def weight(self) -> float:
        """The variance of the count, were all independent; 0 where all are alike."""
        share = self.seen / self.rows if self.rows else 0.0
        return self.rows * share * (1.0 - share)


def clustering(indicator: NDArray[np.bool_]) -> Clustering:
    """The clustering of one trial, whose `indicator` (n,) is in arrival order."""
    found = Clustering(indicator.size, int(np.count_nonzero(indicator)))
    if not found.weight:
        return found
    means = stretch_means(indicator)
    length = indicator.size // STRETCHES
    variance = found.weight / indicator.size
    batches = max(1.0, length * float(means.var(ddof=1)) / variance) if length else 1.0
    return found._replace(geyer=indicator_time(indicator), batches=batches, means=means)


def dependence(trials: Sequence[Clustering]) -> float:
    """Tau >= 1: that many requests tell as much about the share of True as one independent request.

    The tau of each trial is weighted by the variance of its count, since variances of trials add up: a trial with a
    stall has many slow requests, which cluster; one without has none and says nothing. Returned is the greater of
    Geyer's and that of the means of 20 stretches a trial, which show dependence that is too weak and too long for
    Geyer's.
    """
    weights = sum(trial.weight for trial in trials)
    if not weights:
        return 1.0
    geyer = sum(trial.weight * trial.geyer for trial in trials)
    batches = sum(trial.weight * trial.batches for trial in trials)
    slow = slow_time([trial.means for trial in trials if trial.means is not None])
    return max(1.0, geyer / weights, batches / weights * slow)


def stretch_means(values: NDArray[np.floating | np.bool_]) -> NDArray[np.float64]:
    """Means (STRETCHES,) of equal stretches of a trial, or the values themselves where there are no more than that."""
    if values.size <= STRETCHES:
        return values.astype(np.float64)
    length = values.size // STRETCHES
    means: NDArray[np.float64] = values[: length * STRETCHES].reshape(STRETCHES, length).mean(axis=1, dtype=np.float64)
    return means


def slow_time(trials: Sequence[NDArray[np.float64]]) -> float:
    """Tau >= 1 of the means of stretches of several trials, by their first autocorrelation.

    The sample's is too small by (1 + 3 rho) / n (Kendall, Biometrika 41, 1954) and is corrected for that: a speed that
    wanders with a memory of a sixth of a trial would otherwise pass for twice as well known as it is. What does not
    exceed its own standard error counts as none.
    """
    covariance = variance = count = 0.0
    for trial in trials:
        offsets = trial - trial.mean()
        covariance += float(offsets[1:] @ offsets[:-1])
        variance += float(offsets @ offsets)
        count += trial.size
    if variance <= 0 or count < 4 * len(trials):
        return 1.0
    length = count / len(trials)
    rho = min(_GREATEST_RHO, (covariance / variance * length + 1.0) / (length - 3.0))
    return (1.0 + rho) / (1.0 - rho) if rho > 1.0 / math.sqrt(count) else 1.0
