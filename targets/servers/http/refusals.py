"""Paces refusals of a full queue, so that they take only a small part of the event loop's time.

A refusal costs about a third of a prediction, so clients that retry at once after each 503 could take the core away
from predictions. Up to `REFUSALS_PER_S` a refusal is sent at once; above that rate it waits for its turn. With N
clients that retry without a pause a refusal takes N / REFUSALS_PER_S seconds; clients that obey `Retry-After` are
refused at once.

Reading their requests costs time, too. Above that rate the loop blocks after each turn until the running batch ends, or
for some milliseconds: no request could be accepted earlier, and the requests of that time are read together.
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
BURST = 50  # refusals at once
TURN_S = 0.01  # long, because each wake-up of the loop takes the core from the compute thread

FULL = queue_full()


class Refusable(Protocol):
    """A request that can be refused."""

    def refuse(self, error: ProtocolError) -> None:
        """Send the protocol's error response."""


class TokenBucket:
    """A token bucket: allows `rate_per_s` on average and `burst` at once. It reads no clock."""

    def __init__(self, rate_per_s: int, burst: int, now_ns: int) -> None:
        self._interval_ns = NS_PER_S // rate_per_s
        self._burst_ns = burst * self._interval_ns
        self._spent_until_ns = now_ns - self._burst_ns

    def take(self, now_ns: int) -> bool:
        """Take a token; False where none is left."""
        start_ns = max(self._spent_until_ns, now_ns - self._burst_ns)
        if start_ns + self._interval_ns > now_ns:
            return False
        self._spent_until_ns = start_ns + self._interval_ns
        return True


class PacedRefusals:
    """Sends "queue full" responses in arrival order, at a limited rate."""

    _loop: asyncio.AbstractEventLoop
    _rest: Callable[[], None]

    def __init__(self) -> None:
        self._waiting: deque[Refusable] = deque()
        self._bucket = TokenBucket(REFUSALS_PER_S, BURST, monotonic_ns())
        self._rest_is_due = False  # at the end of this turn of the loop

    def start(self, loop: asyncio.AbstractEventLoop, rest: Callable[[], None]) -> None:
        """Called once, before the first request. `rest` blocks briefly, so that the running batch gets the core."""
        self._loop, self._rest = loop, rest

    def add(self, item: Refusable) -> None:
        """Refuse `item` now, or later in arrival order."""
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
