"""How often a costly reading may be made, so that it takes no more than a small share of one core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.clock import thread_cpu_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.clock import Clock


class CostBound:
    """Says when a reading is due, at the earliest `every_ns` after the last and never above `share` of the time.

    What counts is CPU time, not how long the reading had to wait for a core. One that took more than `most_ns` is not
    made again: in one go it would hold up the load.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        share: float,
        every_ns: int = 0,
        most_ns: int | None = None,
        cpu_ns: Callable[[], int] = thread_cpu_ns,
    ) -> None:
        self._clock = clock
        self._cpu_ns = cpu_ns
        self._share = share
        self._every_ns = every_ns
        self._most_ns = most_ns
        self._due_ns: int | None = None
        self._too_costly = False
        self._began_ns = self._began_cpu_ns = 0

    def begin(self) -> bool:
        """Whether the reading is due now; if so, its time is counted until `end`."""
        self._began_ns, self._began_cpu_ns = self._clock.now_ns(), self._cpu_ns()
        return not self._too_costly and (self._due_ns is None or self._began_ns >= self._due_ns)

    def end(self) -> None:
        """Call after the reading: works out from its cost when the next one is due."""
        cost_ns = self._cpu_ns() - self._began_cpu_ns
        self._too_costly = self._most_ns is not None and cost_ns > self._most_ns
        self._due_ns = self._began_ns + max(self._every_ns, int(cost_ns / self._share))
