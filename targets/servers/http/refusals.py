"""Refusals for want of room, paced: they may take only a small part of the loop's time.

A client that comes back at once after each 503 costs the server as much as it likes, so that refusing, at about
a third of the price of answering, would take the core away from the answers. So a refusal goes out at once while
there are fewer than `REFUSALS_PER_S`, and waits for its turn above that. With N clients that come back without a
pause a refusal takes N / REFUSALS_PER_S; honest clients, who wait as `Retry-After` says, are told at once.

Reading of them costs too. Beyond that pace the loop rests after each turn, until the batch under way ends or for some
milliseconds: nothing that comes before then can be let in, and what came meanwhile is read in one go.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from harness.clock import NS_PER_S, monotonic_ns
from targets.servers.protocols.errors import queue_full

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from targets.servers.protocols.errors import ProtocolError

REFUSALS_PER_S = 2_000
BURST = 50  # refusals in a row
TURN_S = 0.01  # many at a time: each wake-up of the loop takes the core from the compute thread

FULL = queue_full()


class Refusable(Protocol):
    """What can be refused."""

    def refuse(self, error: ProtocolError) -> None:
        """Answer with the protocol's error."""


class TokenBucket:
    """Allows `rate_per_s` in the long run and `burst` at once. It reads no clock."""

    def __init__(self, rate_per_s: int, burst: int, now_ns: int) -> None:
        self._interval_ns = NS_PER_S // rate_per_s
        self._burst_ns = burst * self._interval_ns
        self._spent_until_ns = now_ns - self._burst_ns

    def take(self, now_ns: int) -> bool:
        """Whether one more is allowed now; it is counted if so."""
        start_ns = max(self._spent_until_ns, now_ns - self._burst_ns)
        if start_ns + self._interval_ns > now_ns:
            return False
        self._spent_until_ns = start_ns + self._interval_ns
        return True


class PacedRefusals:
    """Says *the queue is full* to whom it is given, first come first told."""

    _loop: asyncio.AbstractEventLoop
    _rest: Callable[[], None]

    def __init__(self) -> None:
        self._waiting: deque[Refusable] = deque()
        self._bucket = TokenBucket(REFUSALS_PER_S, BURST, monotonic_ns())
        self._rest_is_due = False  # at the end of this turn of the loop

    def start(self, loop: asyncio.AbstractEventLoop, rest: Callable[[], None]) -> None:
        """Called once, before the first request. `rest` blocks for a moment that the core is needed for answers."""
        self._loop, self._rest = loop, rest

    def add(self, item: Refusable) -> None:
        """Refuse `item` now, or when its turn comes."""
        if not self._waiting and self._bucket.take(monotonic_ns()):
            item.refuse(FULL)
            return
        self._waiting.append(item)
        if len(self._waiting) == 1:
            self._wake_later()
        if not self._rest_is_due:
            self._rest_is_due = True
            self._loop.call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._rest_is_due = False
        self._rest()

    def _wake_later(self) -> None:
        self._loop.call_later(TURN_S, self._send_due)

    def _send_due(self) -> None:
        now_ns = monotonic_ns()
        while self._waiting and self._bucket.take(now_ns):
            self._waiting.popleft().refuse(FULL)
        if self._waiting:
            self._wake_later()
