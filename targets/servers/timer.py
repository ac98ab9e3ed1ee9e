"""A timer for one absolute instant at a time, more precise than the timers of the event loop.

uvloop's timers count in milliseconds. A timer descriptor armed in absolute CLOCK_MONOTONIC time wakes the
loop within about 0.1 ms. (`os.timerfd_create` exists from Python 3.13 on.)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

CLOCK_MONOTONIC = 1
TFD_NONBLOCK_CLOEXEC = os.O_NONBLOCK | os.O_CLOEXEC
TFD_TIMER_ABSTIME = 1


class _TimerSpec(ctypes.Structure):
    _fields_ = (
        ("interval_s", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("value_s", ctypes.c_long),
        ("value_ns", ctypes.c_long),
    )


class PreciseTimer:
    """Calls `on_due` from the event loop at or after the instant of the last `arm`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_due: Callable[[], None]) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")
        self._spec = _TimerSpec()
        self._loop = loop
        self._on_due = on_due
        self.due_ns: int | None = None  # the instant it is armed for
        loop.add_reader(self._descriptor, self._ring)

    def arm(self, due_ns: int) -> None:
        """Call `on_due` at `due_ns` (at once where it has passed). Replaces the previous instant."""
        if due_ns == self.due_ns:
            return
        self.due_ns = due_ns
        # An all-zero value would disarm it.
        self._spec.value_s, self._spec.value_ns = divmod(max(due_ns, 1), NS_PER_S)
        self._libc.timerfd_settime(self._descriptor, TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None)

    def close(self) -> None:
        """Stop, and close the descriptor."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _ring(self) -> None:
        # If it was armed again between the wake-up and this call, there is nothing to read.
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, 8)
            self.due_ns = None
            self._on_due()
