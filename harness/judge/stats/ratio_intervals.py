"""Ratios of positive figures, on logarithms: twice as fast and half as fast are then equally far from equal."""

from __future__ import annotations

import math

from harness.judge.interval import Interval

_Z_95 = 1.959964


def ratio_with_error(ratio: float, error: float) -> Interval:
    """The 95 % interval of a ratio whose logarithm has that standard error; from 0 to infinity where it is infinite."""
    if not math.isfinite(error):
        return Interval(ratio, 0.0, math.inf)
    return ratio_within(ratio, _Z_95 * error)


def ratio_within(ratio: float, reach: float) -> Interval:
    """The interval of a ratio whose logarithm is known to `reach` in both directions."""
    return Interval(ratio, ratio * math.exp(-reach), ratio * math.exp(reach))
