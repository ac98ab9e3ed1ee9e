"""Tests whether a queue only grows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BINS = 20


@dataclass(frozen=True, slots=True)
class Growth:
    """index: number in flight in the last bin over its mean; slope_z: slope over its standard error."""

    index: float
    slope_z: float


def growth(
    arrived_ns: NDArray[np.int64], left_ns: NDArray[np.int64], start_ns: int, end_ns: int, bins: int = _BINS
) -> Growth | None:
    """How the number in flight changes over [start, end), from instants in any order; None where it was always zero."""
    middles = start_ns + (2 * np.arange(bins) + 1) * (end_ns - start_ns) // (2 * bins)
    in_flight = _until(arrived_ns, middles) - _until(left_ns, middles)
    mean = float(in_flight.mean())
    if mean <= 0:
        return None
    x = np.arange(bins) - (bins - 1) / 2
    slope = float(x @ in_flight / (x @ x))
    residual = in_flight - mean - slope * x
    error = float(np.sqrt(residual @ residual / (bins - 2) / (x @ x)))
    return Growth(float(in_flight[-1]) / mean, slope / error if error else np.inf * np.sign(slope) if slope else 0.0)


def _until(instants_ns: NDArray[np.int64], ends_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many instants (n,) lie at each end (m,), which ascend, or before it. Counted, at a fifth of a sort's time."""
    found = np.bincount(np.searchsorted(ends_ns, instants_ns), minlength=ends_ns.size + 1)
    counts: NDArray[np.int64] = np.cumsum(found[:-1])
    return counts
