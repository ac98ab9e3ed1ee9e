"""The open loop: requests are due at scheduled times, whether or not earlier ones have a response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.measure.load.phases import NEVER_NS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.measure.load.connections.connection import Connection
    from harness.measure.load.engine import Engine
    from harness.measure.load.phases import Phases
    from harness.plan.arrivals.open_loop import Offsets


class OpenLoop:
    """Sends each request at its due time, over the free connection that was used last.

    While `max_in_flight` requests are open, a due request is counted and not sent.
    """

    def __init__(self, engine: Engine, phases: Phases, schedule: Iterator[Offsets], max_in_flight: int) -> None:
        self.next_due_ns = NEVER_NS
        self.exhausted = False
        self._engine = engine
        self._phases = phases
        self._schedule = schedule
        self._max_in_flight = max_in_flight
        self._free: list[Connection] = []
        self._connections = 0
        self._block: Iterator[int] = iter(())
        self._origin_ns = 0
        self._users = 0

    def start(self, origin_ns: int) -> None:
        """Begin the schedule at `origin_ns`."""
        self._origin_ns = origin_ns
        self._advance()
        self._engine.wake()

    def add_user(self) -> int:
        """Has no effect on the schedule. Returns a number."""
        self._users += 1
        return self._users - 1

    def remove_user(self, user: int) -> None:
        """Has no effect on the schedule."""

    def stop(self) -> None:
        """No further request is due."""
        self.next_due_ns = NEVER_NS
        self._schedule = iter(())
        self._block = iter(())

    def on_due(self, now_ns: int) -> None:
        """Send all requests that are due."""
        engine, free = self._engine, self._free
        while (due_ns := self.next_due_ns) <= now_ns:
            self._advance()
            if free:
                engine.launch(free.pop(), due_ns)
            elif self._connections < self._max_in_flight:
                self._connections += 1
                engine.launch(engine.connection(self._connections - 1), due_ns)
            else:
                engine.skip(due_ns)

    def on_free(self, connection: Connection, done_ns: int, *, failed: bool) -> None:
        """Keep the connection for another request."""
        del done_ns, failed
        self._free.append(connection)

    def on_refused(self, connection: Connection, done_ns: int, wait_ns: int | None) -> None:
        """Keep the connection for another request: arrivals wait for nothing."""
        del done_ns, wait_ns
        self._free.append(connection)

    def _advance(self) -> None:
        offset_ns = next(self._block, None)
        while offset_ns is None:
            block = next(self._schedule, None)
            if block is None:
                self.next_due_ns = NEVER_NS
                self.exhausted = True
                return
            self._block = iter(block.tolist())
            offset_ns = next(self._block, None)
        due_ns = self._origin_ns + offset_ns
        self.next_due_ns = due_ns if due_ns < self._phases.measure_end_ns else NEVER_NS
