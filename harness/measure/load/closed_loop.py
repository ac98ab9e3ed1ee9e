"""The closed loop: a user's next request is due when its last response has arrived, plus think time."""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

from harness.clock import NS_PER_MS, monotonic_ns
from harness.measure.load.connections.connection import CLOSED, IDLE
from harness.measure.load.phases import NEVER_NS
from harness.record.rows import ABSENT

if TYPE_CHECKING:
    from harness.measure.load.connections.connection import Connection
    from harness.measure.load.engine import Engine
    from harness.measure.load.phases import Phases

BACK_OFF_NS = 100 * NS_PER_MS  # after a refused connection or request, so that it does not become a busy loop
LONGEST_BACK_OFF_NS = 20 * BACK_OFF_NS


class ClosedLoop:
    """Users, each with a connection of its own."""

    exhausted = False  # it goes on until it is stopped

    def __init__(self, engine: Engine, phases: Phases, think_ns: int) -> None:
        self.next_due_ns = NEVER_NS
        self._engine = engine
        self._phases = phases
        self._think_ns = think_ns
        self._converses = engine.makes_requests  # users of conversations pause by themselves
        self._users: dict[int, Connection] = {}
        self._waiting: list[tuple[int, int, Connection]] = []  # a heap by due time, then order of entry
        self._refusals: dict[Connection, int] = {}  # in a row, of users whose last request was refused
        self._entries = count()
        self._next_user = 0
        self._stopped = False

    def add_user(self) -> int:
        """Add a user, whose first request is due at once. Returns its number."""
        user = self._next_user
        self._next_user += 1
        connection = self._users[user] = self._engine.connection(user)
        self._schedule(connection, monotonic_ns())
        self._engine.wake()
        return user

    def remove_user(self, user: int) -> None:
        """Remove a user; its open request is still waited for."""
        connection = self._users.pop(user, None)
        if connection is None:
            return
        connection.leaving = True
        if connection.state in (IDLE, CLOSED):
            connection.close()

    def start(self, origin_ns: int) -> None:
        """Does nothing: users start when they are added."""

    def wake(self) -> None:
        """Wake the engine, because due times have changed."""
        self._engine.wake()

    def stop(self) -> None:
        """No further request is due."""
        self._stopped = True
        self._waiting.clear()
        self.next_due_ns = NEVER_NS

    def on_due(self, now_ns: int) -> None:
        """Send the requests that are due."""
        waiting = self._waiting
        while waiting and waiting[0][0] <= now_ns:
            due_ns, _, connection = heapq.heappop(waiting)
            if not connection.leaving and due_ns < self._phases.measure_end_ns:
                self._engine.launch(connection, due_ns)
        self.next_due_ns = waiting[0][0] if waiting else NEVER_NS

    def on_free(self, connection: Connection, done_ns: int, *, failed: bool) -> None:
        """Send the user's next request after its think time; after one that could not be sent, back off first.

        Users who converse take a failure for a refusal: it may cost as much. No request is due after the end of
        measuring.
        """
        if failed and self._converses and connection.sent_ns != ABSENT:
            self.on_refused(connection, done_ns, None)
            return
        if self._refusals:
            self._refusals.pop(connection, None)
        if connection.leaving or self._stopped:
            connection.close()
        elif failed and connection.sent_ns == ABSENT:
            self._schedule(connection, done_ns + max(self._think_ns, BACK_OFF_NS))
        elif wait_ns := self._think_ns + (connection.pause_ns() if self._converses else 0):
            self._schedule(connection, done_ns + wait_ns)
        elif done_ns < self._phases.measure_end_ns:
            self._engine.launch(connection, done_ns)

    def on_refused(self, connection: Connection, done_ns: int, wait_ns: int | None) -> None:
        """Send the user's next request after the time that the server asks for; if it is short, after a growing one."""
        if connection.leaving or self._stopped:
            connection.close()
            return
        if wait_ns is None or wait_ns < BACK_OFF_NS:
            refusals = self._refusals.get(connection, 0)
            self._refusals[connection] = refusals + 1
            wait_ns = min(BACK_OFF_NS << min(refusals, 10), LONGEST_BACK_OFF_NS)
        self._schedule(connection, done_ns + max(self._think_ns, wait_ns))

    def _schedule(self, connection: Connection, due_ns: int) -> None:
        if not self._stopped:
            heapq.heappush(self._waiting, (due_ns, next(self._entries), connection))
            self.next_due_ns = self._waiting[0][0]
