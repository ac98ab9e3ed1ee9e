"""The only module that reads a clock.

Every instant in a row or sample is an integer count of nanoseconds on CLOCK_MONOTONIC, which all
processes of one machine share; wall time labels runs and is never subtracted.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000

monotonic_ns = time.monotonic_ns
cpu_ns = time.process_time_ns
thread_cpu_ns = time.thread_time_ns


class Clock(Protocol):
    """A source of time that can be replaced, for code that decides by it."""

    def now_ns(self) -> int:
        """The present instant, in nanoseconds on the clock's own timeline."""

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Return at or after `deadline_ns`; at once where it has passed."""


class MonotonicClock:
    """CLOCK_MONOTONIC, shared by all processes of this machine."""

    def now_ns(self) -> int:
        """Nanoseconds since the machine started."""
        return time.monotonic_ns()

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Sleep until an absolute deadline, so that a late wake-up does not delay the next."""
        remaining_ns = deadline_ns - time.monotonic_ns()
        if remaining_ns > 0:
            time.sleep(remaining_ns / NS_PER_S)


def age_ns(stamp_ns: int) -> int:
    """How long ago the kernel stamped a packet.

    It stamps with the wall clock only. No more than the moment between the stamp and this call is subtracted; a clock
    that is set meanwhile gives a figure that the caller has to refuse.
    """
    return time.time_ns() - stamp_ns


def wall_time() -> datetime:
    """The date and time in UTC, for labels only."""
    return datetime.now(UTC)
