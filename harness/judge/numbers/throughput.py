"""Throughput with its interval, for one trial and over repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.judge.interval import Interval
from harness.judge.stats.mean_intervals import batch_means_interval, replicate_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Rates = NDArray[np.float64]  # requests per second in equal stretches of a trial's window

NO_RATES: Rates = np.empty(0)


def pooled_rate(runs: Sequence[Rates]) -> Interval:
    """The mean over repeats.

    The interval is that of all repeats' stretches together. Repeats may differ by more than they do inside, so
    from three on it is never narrower than their own scatter allows. Two repeats cannot show their scatter (a t
    interval of two is 12.7 standard errors wide); where their intervals do not overlap, both are covered.
    """
    if not runs:
        return Interval(0.0)
    pooled = batch_means_interval(np.concatenate(runs))
    between = replicate_interval([float(run.mean()) for run in runs])
    if between is not None:
        return pooled.at_least(*between.ends)
    of_each = [batch_means_interval(run) for run in runs]
    return pooled.at_least(*_hull(of_each)) if len(runs) == 2 and disjoint(of_each) else pooled


def disjoint(intervals: Sequence[Interval]) -> bool:
    """Whether some two of the intervals have no value in common."""
    ends = [each.ends for each in intervals if np.isfinite(each.width)]
    return len(ends) > 1 and max(low for low, _ in ends) > min(high for _, high in ends)


def _hull(intervals: Sequence[Interval]) -> tuple[float, float]:
    """From the lowest end to the highest."""
    return min(each.ends[0] for each in intervals), max(each.ends[1] for each in intervals)
