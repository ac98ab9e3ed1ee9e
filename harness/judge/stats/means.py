"""Means over a few independent runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.judge.stats.mean_intervals import MeanInterval

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST_FOR_INTERVAL = 3  # two have one degree of freedom, whose interval (12.7 standard errors) says nothing


def run_mean(values: Sequence[float]) -> MeanInterval:
    """The mean of at least one run, with its 95 % Student t interval from three runs on."""
    from scipy.stats import t

    runs = np.asarray(values, dtype=np.float64)
    mean = float(runs.mean())
    if runs.size < FEWEST_FOR_INTERVAL:
        return MeanInterval(mean)
    error = float(runs.std(ddof=1)) / float(np.sqrt(runs.size))
    half = float(t.ppf(0.975, runs.size - 1)) * error
    return MeanInterval(mean, error, mean - half, mean + half)


def share_interval(good: int, total: int) -> tuple[float, float]:
    """95 % interval of a share of independent examples (Wilson 1927); (0, 1) where there are none."""
    from scipy.stats import binomtest

    if not total:
        return 0.0, 1.0
    interval = binomtest(good, total).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
