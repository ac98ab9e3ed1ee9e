"""How long a process computes on a batch: as measured for its size, times what that was measured to vary by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_FACTORS = 4096
FEWEST_BATCHES = 10  # of one size, for their median to be a point of the curve


def _steady() -> NDArray[np.float64]:
    return np.ones(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTime:
    """s(b), times one of `factors` (k,), whose mean is 1, drawn anew for each batch.

    s(b) is `curve_ms[b - 1]`, and beyond the curve `slope_ms` more for each row; without a curve it is the line
    `slope_ms` * b + `base_ms`. A model's own curve bends: small batches leave its vector units idle.
    """

    slope_ms: float
    base_ms: float
    factors: NDArray[np.float64] = field(default_factory=_steady)
    curve_ms: tuple[float, ...] = ()

    def mean_ms(self, rows: int) -> float:
        """s(b)."""
        if not self.curve_ms:
            return self.slope_ms * rows + self.base_ms
        beyond = max(0, rows - len(self.curve_ms))
        return self.curve_ms[rows - beyond - 1] + self.slope_ms * beyond

    def scaled(self, share: float) -> ServiceTime:
        """A part of the model that takes `share` of the time."""
        curve_ms = tuple(share * value for value in self.curve_ms)
        return replace(self, slope_ms=share * self.slope_ms, base_ms=share * self.base_ms, curve_ms=curve_ms)


def fit_service(rows: NDArray[np.int64], times_ms: NDArray[np.float64]) -> ServiceTime:
    """The median time of each size of batch, and a line through them by least squares; scaled to the mean of all times.

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
    believed = counts >= FEWEST_BATCHES
    curve_ms = _curve(sizes[believed], medians_ms[believed], slope_ms)
    found = ServiceTime(slope_ms=slope_ms, base_ms=base_ms, curve_ms=curve_ms)
    factors = np.sort(times_ms / np.array([found.mean_ms(size) for size in sizes.tolist()])[which])
    mean = float(factors.mean())
    if factors.size > MAX_FACTORS:  # evenly over the distribution, so that its tail stays
        factors = factors[np.linspace(0, factors.size - 1, MAX_FACTORS).round().astype(np.int64)]
    return replace(found.scaled(mean), factors=factors / factors.mean())


def _curve(sizes: NDArray[np.int64], medians_ms: NDArray[np.float64], slope_ms: float) -> tuple[float, ...]:
    """Through the medians; below the first of them `slope_ms` less for each row. Empty for fewer than two."""
    if sizes.size < 2:
        return ()
    rows = np.arange(1, int(sizes[-1]) + 1)
    below = np.maximum(sizes[0] - rows, 0)
    curve_ms = np.interp(rows, sizes, medians_ms) - slope_ms * below
    return tuple(np.maximum(curve_ms, medians_ms[0] * rows / sizes[0] * (below > 0)).tolist())
