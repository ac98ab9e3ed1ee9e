"""How far another machine's clock is from ours, from questions and answers over the network.

Each machine counts CLOCK_MONOTONIC from its own start. A latency is never computed across two of them; but to say what
all workers did at the same time, their instants must be put on one clock.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIME_NAMESPACE = Path("/proc/self/ns/time")  # containers may have clocks of their own


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """Asked at `asked_ns` and answered at `answered_ns` on our clock; `theirs_ns`: the other's clock in between."""

    asked_ns: int
    theirs_ns: int
    answered_ns: int


class ClockOffset(msgspec.Struct, frozen=True, kw_only=True):
    """`offset_ns` is added to our instants to get theirs; the truth is within `error_ns` of it."""

    offset_ns: int
    error_ns: int


SAME = ClockOffset(offset_ns=0, error_ns=0)


def offset_of(exchanges: Iterable[Exchange]) -> ClockOffset | None:
    """From the quickest of the exchanges, whose answer can be off by half its time at most; None where there is none.

    (Cristian, Probabilistic clock synchronization, 1989.)
    """
    best = min(exchanges, key=lambda each: each.answered_ns - each.asked_ns, default=None)
    if best is None:
        return None
    middle_ns = (best.asked_ns + best.answered_ns) // 2
    return ClockOffset(offset_ns=best.theirs_ns - middle_ns, error_ns=(best.answered_ns - best.asked_ns) // 2 + 1)


def clock_id() -> str:
    """What tells this machine's CLOCK_MONOTONIC from any other; empty where the system does not say."""
    try:
        return f"{BOOT_ID.read_text().strip()} {TIME_NAMESPACE.readlink()}"
    except OSError:
        return ""
