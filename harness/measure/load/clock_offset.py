"""The offset between a worker's clock and the master's, from messages and replies over the network.

CLOCK_MONOTONIC counts from the start of each machine. No latency is computed from two machines' clocks; the offset
only puts the instants of all workers on one time axis.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIME_NAMESPACE = Path("/proc/self/ns/time")  # containers may have clocks of their own


class ClockExchange(msgspec.Struct, frozen=True, kw_only=True):
    """A question and its answer: their instants on our clock; between them the other clock showed `theirs_ns`."""

    asked_ns: int
    theirs_ns: int
    answered_ns: int


class ClockOffset(msgspec.Struct, frozen=True, kw_only=True):
    """`offset_ns` added to our instants gives the other clock's; the error is `error_ns` at most."""

    offset_ns: int
    error_ns: int


SAME = ClockOffset(offset_ns=0, error_ns=0)


def offset_of(exchanges: Iterable[ClockExchange]) -> ClockOffset | None:
    """The offset by the quickest exchange, with half of its duration as the error; None without an exchange.

    (Cristian, Probabilistic clock synchronization, 1989.)
    """
    best = min(exchanges, key=lambda each: each.answered_ns - each.asked_ns, default=None)
    if best is None:
        return None
    middle_ns = (best.asked_ns + best.answered_ns) // 2
    return ClockOffset(offset_ns=best.theirs_ns - middle_ns, error_ns=(best.answered_ns - best.asked_ns) // 2 + 1)


def clock_id() -> str:
    """An identifier of this machine's CLOCK_MONOTONIC; empty where the system has none."""
    try:
        return f"{BOOT_ID.read_text().strip()} {TIME_NAMESPACE.readlink()}"
    except OSError:
        return ""
