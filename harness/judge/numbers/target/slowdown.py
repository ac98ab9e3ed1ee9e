"""A target that becomes slower the longer it runs, as with a leak: as distinct from one that is warming up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.stats.distributions import student_t_quantile
from harness.judge.stats.steady_state import long_run_deviation, median_slope

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_WINDOWS = 12
LEAST_RISE = 0.03  # over all windows: what is smaller is nobody's concern
CHANCE = 5e-4
STILL_RISING = 0.25  # of the whole slope, in the last third; a jump or a levelling off has none


@dataclass(frozen=True, slots=True)
class Slowdown:
    """The median response time at the beginning and at the end, in the unit of the windows, by a line through all."""

    first: float
    last: float

    @property
    def factor(self) -> float:
        """How many times longer it takes in the end."""
        return self.last / self.first


def slowdown(medians: NDArray[np.float64]) -> Slowdown | None:
    """A steady rise of the median response time over equal windows (n,) in order of time; None where there is none.

    The median slope of the logarithms makes 3 % or more over all windows, and is no chance (p < 5e-4, one-sided; the
    scatter is that of windows that depend on each other). It goes on rising in the last third, and a line fits better
    than one jump: a target that changes its level once, or has settled, is not one that leaks. One that is warming up
    becomes faster.
    """
    count = medians.size
    if count < FEWEST_WINDOWS or medians.min() <= 0:
        return None
    logs = np.log(medians)
    slope, place = median_slope(logs), np.arange(count)
    rise = slope * (count - 1)
    # The slope of n values whose mean has the error s has an error of sqrt(12) s over all of them.
    scatter = max(long_run_deviation(logs), long_run_deviation(logs - slope * place))
    surely = student_t_quantile(1.0 - CHANCE, count // 2) * scatter * math.sqrt(12.0 / count)
    if rise <= max(math.log1p(LEAST_RISE), surely):
        return None
    third = count // 3
    parts = [float(np.median(part)) for part in (logs[:third], logs[third:-third], logs[-third:])]
    if min(parts[1] - parts[0], parts[2] - parts[1]) < STILL_RISING * (parts[2] - parts[0]) / 2:
        return None
    if _jumps(logs):
        return None
    middle = float(np.median(logs - slope * (place - (count - 1) / 2)))
    return Slowdown(math.exp(middle - rise / 2), math.exp(middle + rise / 2))


def _jumps(logs: NDArray[np.float64]) -> bool:
    """Whether one change of level fits a sequence (n,) better than a line, by Schwarz's criterion (1978).

    The change has one parameter more: its place.
    """
    count = logs.size
    centred = logs - logs.mean()
    place = np.arange(count) - (count - 1) / 2
    total = float(centred @ centred)
    line = total - float(centred @ place) ** 2 / float(place @ place)
    before = np.arange(1, count)
    jump = total - float((np.cumsum(centred)[:-1] ** 2 * (1.0 / before + 1.0 / (count - before))).max())
    return jump <= 0 or count * math.log(max(line, 1e-300) / jump) > math.log(count)
