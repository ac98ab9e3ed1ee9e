"""Durations of one run, as the statistics take them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Durations:
    """Durations in nanoseconds in arrival order; where `still_open`, the true duration is at least the value."""

    values_ns: NDArray[np.int64]
    still_open: NDArray[np.bool_]

    @cached_property
    def ordered_ns(self) -> NDArray[np.int64]:
        """The values, ascending."""
        return np.sort(self.values_ns)
