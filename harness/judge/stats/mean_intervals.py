"""Intervals of a mean rate that hold for autocorrelated completions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

BATCHES = 20
MINIMUM_PER_BATCH = 5
_UPPER = 0.975


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """A mean with its standard error and 95 % interval; None where they cannot be given."""

    value: float
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None


def batch_rates(
    instants_ns: NDArray[np.int64], start_ns: int, end_ns: int, batches: int = BATCHES
) -> NDArray[np.float64]:
    """Events per second (batches,) in equal stretches of [start, end); `instants_ns` ascending."""
    edges = start_ns + (end_ns - start_ns) * np.arange(batches + 1) // batches
    counts = np.diff(np.searchsorted(instants_ns, edges))
    rates: NDArray[np.float64] = counts / np.diff(edges) * 1e9
    return rates


def batch_means_interval(rates: ArrayLike) -> MeanInterval:
    """Mean of equally long stretches with a Student t interval.

    Stretches that are long against the correlation of what happens in them are nearly independent, whatever
    happens inside (Law, Simulation Modeling and Analysis, 9.5.3). One stretch has no interval.
    """
    from scipy.stats import t

    values = np.asarray(rates, dtype=np.float64)
    mean = float(values.mean())
    if values.size < 2:
        return MeanInterval(mean)
    error = float(values.std(ddof=1)) / float(np.sqrt(values.size))
    half = float(t.ppf(_UPPER, values.size - 1)) * error
    return MeanInterval(mean, error, max(0.0, mean - half), mean + half)


def replicate_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """95 % t interval of the typical value over independent runs, on logarithms; None below 3 runs or at zero.

    Two runs have one degree of freedom, whose interval (12.7 standard errors) says nothing.
    """
    from scipy.stats import t

    if len(values) < 3 or min(values) <= 0:
        return None
    logs = np.log(values)
    half = float(t.ppf(_UPPER, logs.size - 1)) * float(logs.std(ddof=1)) / float(np.sqrt(logs.size))
    return float(np.exp(logs.mean() - half)), float(np.exp(logs.mean() + half))
