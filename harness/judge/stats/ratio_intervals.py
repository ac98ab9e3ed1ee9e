"""Ratios of positive figures, on logarithms: twice as fast and half as fast are then equally far from equal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.judge.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST_FOR_SIGN_FLIP = 6  # five pairs cannot reach p < 0.05: their smallest p is 2 / 2**5


class Ratio(NamedTuple):
    """A ratio with its 95 % interval, and the ends of its 90 % interval; from 0 to infinity where nothing is known."""

    interval: Interval
    low_90: float
    high_90: float


def paired_ratio(before: Sequence[float], after: Sequence[float]) -> Ratio:
    """Typical after / before of pairs (at least 2) by Student's t on the logarithms of their ratios."""
    from scipy.stats import t

    logs = np.log(np.asarray(after)) - np.log(np.asarray(before))
    error = float(logs.std(ddof=1)) / math.sqrt(logs.size)
    half, half_90 = (float(t.ppf(upper, logs.size - 1)) * error for upper in (0.975, 0.95))
    return _interval(float(logs.mean()), half, half_90)


def independent_ratio(before: tuple[float, float], after: tuple[float, float]) -> Ratio:
    """After / before of two (value, standard error of its logarithm); values above 0."""
    error = math.hypot(before[1], after[1])
    if not math.isfinite(error):
        return Ratio(Interval(after[0] / before[0], 0.0, math.inf), 0.0, math.inf)
    return _interval(math.log(after[0] / before[0]), 1.959964 * error, 1.644854 * error)


def sign_flip_p_value(before: Sequence[float], after: Sequence[float]) -> float | None:
    """Two-sided exact test that the pairs' differences are symmetric around none; None below 6 pairs.

    All sign patterns of the log ratios are tried (a seeded sample of 10 000 beyond 13 pairs).
    """
    from scipy.stats import permutation_test

    logs = np.log(np.asarray(after)) - np.log(np.asarray(before))
    if logs.size < FEWEST_FOR_SIGN_FLIP:
        return None
    rng = np.random.default_rng(0)
    result = permutation_test((logs,), np.mean, permutation_type="samples", n_resamples=9999, vectorized=True, rng=rng)
    return float(result.pvalue)


def _interval(log_value: float, half: float, half_90: float) -> Ratio:
    low, high, low_90, high_90 = (math.exp(log_value + step) for step in (-half, half, -half_90, half_90))
    return Ratio(Interval(math.exp(log_value), low, high), low_90, high_90)
