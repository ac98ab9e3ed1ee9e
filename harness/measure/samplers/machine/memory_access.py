"""Reads how long an access to memory takes on the target's cores.

What the caches of one core do not hold comes from the cache that cores share, or from memory. On a virtual machine both
are shared with neighbours on the host. They slow a target by a third at times, and neither steal nor any other counter
shows it.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import monotonic_ns
from harness.measure.samplers.cost_bound import CostBound
from harness.measure.samplers.reading import Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.clock import Clock

PLACES = 1 << 19  # of 8 bytes: 4 MB, more than the caches of one core hold
ACCESSES = 1000  # of a reading, which takes some 40 µs of the core
WARM_UP = 50  # so that the code itself is in the core's caches
STEP = 7919 * ACCESSES  # from one reading to the next, so that places are not read again soon
SHARE = 0.005  # of one core's time


@functools.cache
def places() -> NDArray[np.int64]:
    """All places (PLACES,) in a random order."""
    return np.random.default_rng(0).permutation(PLACES)


class MemoryAccess:
    """Reads the mean duration of random accesses, on each core of process `pid` in turn, at most once in `every_ns`."""

    def __init__(self, pid: int, clock: Clock, every_ns: int = 0) -> None:
        self._pid = pid
        self._order = places()
        self._bound = CostBound(clock, share=SHARE, every_ns=every_ns)
        self._count = 0

    def read(self, now_ns: int) -> list[Reading]:
        """`access_ns`; nothing where the process is gone, or where its cores cannot be chosen."""
        del now_ns
        if not self._bound.begin():
            return []
        try:
            own, cores = os.sched_getaffinity(0), sorted(os.sched_getaffinity(self._pid))
            os.sched_setaffinity(0, {cores[self._count % len(cores)]})
        except (OSError, AttributeError):  # it has ended; or a system without affinity
            return []
        try:
            access_ns = _mean_access_ns(self._order, self._count * STEP % (PLACES - ACCESSES))
        finally:
            os.sched_setaffinity(0, own)
        self._count += 1
        self._bound.end()
        return [Reading("memory", "access_ns", access_ns)]


def _mean_access_ns(order: NDArray[np.int64], first: int) -> float:
    order[order[:WARM_UP]].sum()
    start_ns = monotonic_ns()
    order[order[first : first + ACCESSES]].sum()
    return (monotonic_ns() - start_ns) / ACCESSES
