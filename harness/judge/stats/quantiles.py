"""The one definition of a percentile: nearest rank."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_ROUNDING = 1e-9  # n * p is a product of floats: 100 * 0.07 must count as 7, not as 7.000000000000001


def nearest_rank(count: ArrayLike, p: float) -> NDArray[np.int64]:
    """Zero-based index of the `p`-quantile among `count` sorted values: ceil(count * p) - 1, within the array."""
    counts = np.asarray(count)
    ranks = np.ceil(counts * p - _ROUNDING).astype(np.int64)
    return np.clip(ranks, 1, counts) - 1


def quantile(ordered: NDArray[np.generic], p: float) -> float:
    """The smallest value that at least the share `p` of `ordered` (ascending, not empty) does not exceed.

    Equals `numpy.quantile(..., method="inverted_cdf")`: always a value that was observed, never interpolated.
    """
    return float(ordered[nearest_rank(ordered.size, p)])
