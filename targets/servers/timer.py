"""A timer for one absolute instant at a time, more precise than the timers of the event loop.

uvloop's timers count in milliseconds. A timer descriptor armed in absolute CLOCK_MONOTONIC time wakes the loop within
about 0.1 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.system.timerfd import TimerFd

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class PreciseTimer:
    """Calls `on_due` from the event loop at or after the instant of the last `arm`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[], None]) -> None:
        self._timer = TimerFd()
        self._loop = loop
        self._on_due = on_due
        self.due_ns: int | None = None  # the instant for which it is armed
        loop.add_reader(self._timer.fileno(), self._ring)

    def arm(self, due_ns: int) -> None:
        """Call `on_due` at `due_ns` (at once where it has passed). Replaces the previous instant."""
        if due_ns != self.due_ns:
            self.due_ns = due_ns
            self._timer.arm(due_ns)

    def close(self) -> None:
        """Stop, and close the descriptor."""
        self._loop.remove_reader(self._timer.fileno())
        self._timer.close()

    def _ring(self) -> None:
        # If it was armed again between the wake-up and this call, it has not expired.
        if self._timer.expirations():
            self.due_ns = None
            self._on_due()
