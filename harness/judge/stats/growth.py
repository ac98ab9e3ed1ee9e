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
    """How the number in flight changes over [start, end), from ascending instants; None where it was always zero."""
    middles = start_ns + (2 * np.arange(bins) + 1) * (end_ns - start_ns) // (2 * bins)
    in_flight = np.searchsorted(arrived_ns, middles, "right") - np.searchsorted(left_ns, middles, "right")
    mean = float(in_flight.mean())
    if mean <= 0:
        return None
    x = np.arange(bins) - (bins - 1) / 2
    slope = float(x @ in_flight / (x @ x))
    residual = in_flight - mean - slope * x
    error = float(np.sqrt(residual @ residual / (bins - 2) / (x @ x)))
    return Growth(float(in_flight[-1]) / mean, slope / error if error else np.inf * np.sign(slope) if slope else 0.0)
