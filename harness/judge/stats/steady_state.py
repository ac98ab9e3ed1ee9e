"""Finds whether and from when there is a steady state, by precision and change, never by how good the figures are.

The start that is cut off is the one that makes the mean of the rest most precise (MSER-5: White, Cobb and Spratt 2000;
the rule that Hoad, Robinson and Davies kept out of 44, 2010). What is left must neither drift nor change its level:
its largest cumulated deviation from the mean must be within what chance allows for a correlated sequence, or the
change must be too small to matter. That guard is needed because MSER alone does not see a late change. A short pause
counts no more than other slow windows: a server that pauses now and then, as for its garbage, is steady.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Windows = NDArray[np.float64]

FEWEST_WINDOWS = 20
TOLERATED_CHANGE = 0.05
_BATCH = 5
_CRITICAL = 1.63  # 99 % quantile of the greatest absolute value of a Brownian bridge (Kolmogorov)
_MAD_TO_SIGMA = 1.4826
_PAUSE = 3.0  # deviations from the median: a window that is farther away counts as one that is as far
_MOST_CORRELATED = 0.95
_STEPS = (4, 8)


class Motion(StrEnum):
    """How a sequence fails to be steady."""

    WARM_UP = "still warming up"
    DRIFT = "drifting"
    SHIFT = "changing its level"


@dataclass(frozen=True, slots=True)
class SteadyState:
    """`start`: the window from which on the sequence is steady; None where it never is, and `motion` says how.

    change: relative size of the change that was found, its sign that of the change; 0 where there is none.
    """

    start: int | None
    windows: int
    motion: Motion | None = None
    change: float = 0.0


def find_steady_state(windows: Windows) -> SteadyState | None:
    """The steady part of a sequence (n,) of figures, one per equal stretch of time; None below 20 windows.

    Judged on logarithms, so that the long tail of a queue's response times is not taken for a change, and a change
    is relative. A figure near zero, as of a target that stalls, counts as a hundredth of the median.
    """
    level = float(np.median(windows)) if windows.size else 0.0
    if windows.size < FEWEST_WINDOWS or level <= 0:
        return None
    logs = np.log(np.maximum(windows, level / 100))
    whole = _change(logs)
    if whole is None:
        return SteadyState(0, windows.size)
    start = mser5(logs)
    if start is None:
        return SteadyState(None, windows.size, Motion.WARM_UP, whole.size)
    rest = _change(logs[start:])
    if rest is None:
        return SteadyState(start, windows.size, Motion.WARM_UP, whole.size)
    return SteadyState(None, windows.size, rest.motion, rest.size)


def mser5(windows: Windows) -> int | None:
    """How many windows to cut off so that the mean of the rest has the smallest standard error.

    In steps of five windows, whose mean counts; None where it would be half of them or more: then the sequence is too
    short to tell.
    """
    batches = windows.size // _BATCH
    means = windows[: batches * _BATCH].reshape(batches, _BATCH).mean(axis=1)
    left = np.arange(batches, 0, -1)
    # Sums over means[d:] for every d, from the end backwards.
    sums = np.cumsum(means[::-1])[::-1]
    squares = np.cumsum(means[::-1] ** 2)[::-1]
    errors = (squares - sums**2 / left) / left.astype(np.float64) ** 2
    half = batches // 2
    cut = int(np.argmin(errors[: half + 1]))
    return None if cut == half else cut * _BATCH


@dataclass(frozen=True, slots=True)
class _Change:
    motion: Motion
    size: float


def _change(logs: Windows) -> _Change | None:
    """The change in a sequence of logarithms, None where it is none, or small, or what chance does."""
    middle, most = float(np.median(logs)), _PAUSE * _robust_deviation(logs) or math.inf
    bounded = np.clip(logs, middle - most, middle + most)
    deviation = np.cumsum(bounded - bounded.mean())[:-1]
    split = int(np.argmax(np.abs(deviation)))
    if abs(deviation[split]) <= _CRITICAL * long_run_deviation(logs) * math.sqrt(logs.size):
        return None
    shift = math.expm1(float(np.median(logs[split + 1 :]) - np.median(logs[: split + 1])))
    drift = math.expm1(median_slope(logs) * logs.size)
    if max(abs(shift), abs(drift)) <= TOLERATED_CHANGE:
        return None
    # A straight line makes half of its rise between the medians of its halves.
    return _Change(Motion.DRIFT, drift) if abs(drift) > 1.5 * abs(shift) else _Change(Motion.SHIFT, shift)


def median_slope(values: Windows) -> float:
    """The median of the slopes between all pairs of a sequence (n,) (Theil 1950, Sen 1968); n is at least 2.

    That of `scipy.stats.theilslopes`, without the import of that package.
    """
    earlier, later = np.triu_indices(values.size, 1)
    return float(np.median((values[later] - values[earlier]) / (later - earlier)))


def long_run_deviation(windows: Windows) -> float:
    """Standard deviation that the mean of n windows has, times sqrt(n), taking them as an autoregression of order 1.

    From differences over k windows, whose variance is 2 sigma^2 (1 - phi^k): no change of level and no drift can
    inflate them, since their median absolute deviation is taken around their median.
    """
    nearest = _robust_deviation(np.diff(windows)) ** 2
    if nearest == 0.0:
        return 0.0
    farther = [_robust_deviation(windows[k:] - windows[:-k]) ** 2 for k in _STEPS]
    twice_variance = max(nearest, float(np.mean(farther)))
    phi = min(1.0 - nearest / twice_variance, _MOST_CORRELATED)
    return math.sqrt(twice_variance / 2.0 * (1.0 + phi) / (1.0 - phi))


def _robust_deviation(values: Windows) -> float:
    return _MAD_TO_SIGMA * float(np.median(np.abs(values - np.median(values))))
