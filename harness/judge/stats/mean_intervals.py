"""95 % intervals of means: of a rate within one trial, and of a figure over a few independent trials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.interval import Interval
from harness.judge.stats.distributions import normal_quantile, student_t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BATCHES = 20
MINIMUM_PER_BATCH = 5
FEWEST_TRIALS = 3  # two have one degree of freedom, whose interval (12.7 standard errors) is useless
_UPPER = 0.975


def batch_rates(
    instants_ns: NDArray[np.int64], start_ns: int, end_ns: int, batches: int = BATCHES
) -> NDArray[np.float64]:
    """Events per second (batches,) in equal stretches of [start, end); `instants_ns` (n,) in any order."""
    edges = start_ns + (end_ns - start_ns) * np.arange(batches + 1) // batches
    counts = np.bincount(np.searchsorted(edges, instants_ns, side="right"), minlength=batches + 2)[1:-1]
    rates: NDArray[np.float64] = counts / np.diff(edges) * 1e9
    return rates


def mean_of_trials(values: Sequence[float]) -> Interval:
    """The mean of at least one trial, with its 95 % Student t interval from three trials on."""
    mean, count = float(np.mean(values)), len(values)
    if count < FEWEST_TRIALS:
        return Interval(mean)
    half = student_t_quantile(_UPPER, count - 1) * float(np.std(values, ddof=1)) / math.sqrt(count)
    return Interval(mean, mean - half, mean + half)


def share_interval(good: int, total: int) -> tuple[float, float]:
    """The ends of the 95 % interval of a share of independent examples (Wilson 1927); (0, 1) where there are none."""
    if not total:
        return 0.0, 1.0
    share, z = good / total, normal_quantile(_UPPER)
    twice = 2 * (total + z**2)
    center = (2 * total * share + z**2) / twice
    half = z / twice * math.sqrt(4 * total * share * (1 - share) + z**2)
    return center - half if good else 0.0, center + half if good < total else 1.0
