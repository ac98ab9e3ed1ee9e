"""The phases of a trial, as instants on CLOCK_MONOTONIC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEVER_NS = 2**62


@dataclass(slots=True)
class Phases:
    """The start and the end of the measure phase; `NEVER_NS` while they are unknown."""

    measure_start_ns: int = NEVER_NS
    measure_end_ns: int = NEVER_NS

    def of(self, due_ns: NDArray[np.int64]) -> NDArray[np.int8]:
        """The phase of each request by its due time (n,), as numbers of `rows.Phase`."""
        begun = (due_ns >= self.measure_start_ns).astype(np.int8)
        return begun + (begun & (due_ns >= self.measure_end_ns))

    def end(self, now_ns: int) -> None:
        """End the measure phase now, unless it has ended."""
        self.measure_end_ns = min(self.measure_end_ns, now_ns)
