"""How long a process computes on a batch: a straight line in its rows, times what it was measured to vary by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_FACTORS = 4096


def _steady() -> NDArray[np.float64]:
    return np.ones(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTime:
    """s(b) = `slope_ms` * b + `base_ms`, times one of `factors` (k,), whose mean is 1, drawn anew for each batch."""

    slope_ms: float
    base_ms: float
    factors: NDArray[np.float64] = field(default_factory=_steady)

    def mean_ms(self, rows: float) -> float:
        """s(b)."""
        return self.slope_ms * rows + self.base_ms

    def scaled(self, share: float) -> ServiceTime:
        """A part of the model that takes `share` of the time."""
        return replace(self, slope_ms=share * self.slope_ms, base_ms=share * self.base_ms)


def fit_service(rows: NDArray[np.int64], times_ms: NDArray[np.float64]) -> ServiceTime:
    """Least squares over the median time of each size of batch, then scaled to the mean of all times.

    A few batches that lost their core for a while would tilt a line through the means; they stay in `factors`. A
    single size of batch gives a line through the origin; a slope or a base below zero is noise.
    """
    sizes, which = np.unique(rows, return_inverse=True)
    counts = np.bincount(which)
    medians_ms = np.array([np.median(times_ms[which == index]) for index in range(sizes.size)])
    slope_ms, base_ms = float(medians_ms[0] / sizes[0]), 0.0
    if sizes.size > 1:
        slope_ms, base_ms = (float(value) for value in np.polyfit(sizes, medians_ms, 1, w=np.sqrt(counts)))
    if slope_ms < 0:
        slope_ms, base_ms = 0.0, float(np.median(times_ms))
    if base_ms < 0:
        slope_ms, base_ms = float(np.median(times_ms / rows)), 0.0
    factors = np.sort(times_ms / (slope_ms * rows + base_ms))
    mean = float(factors.mean())
    if factors.size > MAX_FACTORS:  # evenly over the distribution, so that its tail stays
        factors = factors[np.linspace(0, factors.size - 1, MAX_FACTORS).round().astype(np.int64)]
    return ServiceTime(slope_ms=slope_ms * mean, base_ms=base_ms * mean, factors=factors / factors.mean())
