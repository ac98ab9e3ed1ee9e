"""A target that becomes slower the longer it runs, as with a leak: as distinct from one that is warming up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_WINDOWS = 9
SLOWER_BY = 1.2
CONCORDANCE = 0.6  # Kendall's tau
CHANCE = 1e-4
STILL_RISING = 0.25  # of the whole slope, in the last third; a jump or a levelling off has none


@dataclass(frozen=True, slots=True)
class Slowdown:
    """The median window of the first third and that of the last, in the unit of the windows."""

    first: float
    last: float

    @property
    def factor(self) -> float:
        """How many times longer it takes in the end."""
        return self.last / self.first


def slowdown(medians: NDArray[np.float64]) -> Slowdown | None:
    """A steady rise of the median response time over equal windows (n,) in order of time; None where there is none.

    It rises by more than a fifth, in nearly every pair of windows (Kendall's tau above 0.6, no chance), and goes on
    rising in the last third: a target that changes its level once, or has settled, is not one that leaks. One that is
    warming up becomes faster.
    """
    if medians.size < FEWEST_WINDOWS:
        return None
    third = medians.size // 3
    parts = [float(np.median(part)) for part in (medians[:third], medians[third:-third], medians[-third:])]
    if parts[0] <= 0 or parts[-1] <= SLOWER_BY * parts[0]:
        return None
    from scipy.stats import kendalltau  # takes half a second of CPU time, which only a rise is worth

    agreement = kendalltau(np.arange(medians.size), medians)
    if agreement.statistic <= CONCORDANCE or agreement.pvalue >= CHANCE:
        return None
    steps = parts[1] - parts[0], parts[2] - parts[1]
    if min(steps) < STILL_RISING * (parts[2] - parts[0]) / 2:
        return None
    return Slowdown(parts[0], parts[-1])
