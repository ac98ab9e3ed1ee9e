"""How many requests of a trial are open at each instant, and when a backlog is worked off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Instants = NDArray[np.int64]

PATIENCE = 20  # median response times: a request that stays open for longer does not delay the end of a backlog
LOOK_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of all phases that were sent: instants (n,); those that never ended have an end past the last instant.

    `open_loop`: they come whatever becomes of earlier ones, so that a backlog shows as more of them being open.
    """

    due_ns: Instants
    done_ns: Instants
    open_loop: bool


class Backlog:
    """How many requests are open, and until when those of an instant stay open."""

    def __init__(self, requests: Requests) -> None:
        self._due_ns, done_ns = in_order(requests.due_ns, requests.done_ns)
        self._last_done_ns = np.maximum.accumulate(done_ns)
        self._done_ns = np.sort(requests.done_ns)
        self._open_after = np.searchsorted(self._due_ns, self._done_ns, side="right") - np.arange(1, done_ns.size + 1)
        self._patience_ns = int(PATIENCE * np.median(requests.done_ns - requests.due_ns))

    def drained_ns(self, instant_ns: int) -> int:
        """When the last of the requests open at that instant has ended."""
        begun = int(np.searchsorted(self._due_ns, instant_ns))
        last_ns = int(self._last_done_ns[begun - 1]) if begun else instant_ns
        return min(max(instant_ns, last_ns), instant_ns + self._patience_ns)

    def usual_ns(self, instant_ns: int, usual: int) -> int:
        """The first instant from then on at which at most `usual` are open; past the last end where there is none."""
        from_ns = self.drained_ns(instant_ns)
        first = int(np.searchsorted(self._done_ns, from_ns))
        few = np.flatnonzero(self._open_after[first:] <= usual)
        return max(from_ns, int(self._done_ns[first + few[0]])) if few.size else int(np.iinfo(np.int64).max)

    def usually_open(self, starts_ns: Instants, ends_ns: Instants) -> int:
        """The median over pieces of time of how many are open."""
        at_ns = np.concatenate([np.arange(start, end, LOOK_NS) for start, end in zip(starts_ns, ends_ns, strict=True)])
        return int(np.median(self.open_at(at_ns)))

    def open_at(self, instants_ns: Instants) -> Instants:
        """How many are open at each instant."""
        count: Instants = np.searchsorted(self._due_ns, instants_ns) - np.searchsorted(self._done_ns, instants_ns)
        return count


def in_order(due_ns: Instants, *columns: Instants) -> tuple[Instants, ...]:
    """`due_ns` (n,) ascending, and `columns` (n,) in the same order; nothing is copied where they are in it."""
    if (due_ns[1:] >= due_ns[:-1]).all():
        return due_ns, *columns
    order = np.argsort(due_ns, kind="stable")
    return due_ns[order], *(column[order] for column in columns)
