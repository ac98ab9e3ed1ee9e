"""A schedule that adds users to a closed loop and removes them again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.measure.load.phases import NEVER_NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.measure.load.closed_loop import ClosedLoop
    from harness.measure.load.connections.connection import Connection

Event = tuple[int, int, bool]  # nanoseconds since the start, number of the user, whether it is added


class UserSchedule:
    """Adds and removes users of `loop` as `events` say, which are in order of time. Ends after `length_ns`."""

    def __init__(self, loop: ClosedLoop, events: Sequence[Event], length_ns: int) -> None:
        self.exhausted = False
        self._loop = loop
        self._events = iter(events)
        self._event: Event | None = None
        self._length_ns = length_ns
        self._event_ns = NEVER_NS  # instant of the next event, or of the end
        self._origin_ns = 0
        self._present: dict[int, int] = {}  # number in the loop, by the schedule's own number

    @property
    def next_due_ns(self) -> int:
        """The next instant at which a user is added or removed, or a request is due."""
        return min(self._event_ns, self._loop.next_due_ns)

    def start(self, origin_ns: int) -> None:
        """Begin the schedule at `origin_ns`."""
        self._origin_ns = origin_ns
        self._advance()
        self._loop.wake()

    def add_user(self) -> int:
        """Has no effect: the schedule alone adds users."""
        return 0

    def remove_user(self, user: int) -> None:
        """Has no effect: the schedule alone removes users."""

    def stop(self) -> None:
        """No further request is due."""
        self._event_ns = NEVER_NS
        self._event = None
        self._loop.stop()

    def on_due(self, now_ns: int) -> None:
        """Add and remove users, then send the requests that are due."""
        while self._event_ns <= now_ns:
            if self._event is None:
                self.exhausted = True
                self._event_ns = NEVER_NS
                break
            _, user, is_added = self._event
            if is_added:
                self._present[user] = self._loop.add_user()
            else:
                self._loop.remove_user(self._present.pop(user))
            self._advance()
        self._loop.on_due(now_ns)

    def on_free(self, connection: Connection, done_ns: int, *, failed: bool) -> None:
        """As in `ClosedLoop`."""
        self._loop.on_free(connection, done_ns, failed=failed)

    def on_refused(self, connection: Connection, done_ns: int, wait_ns: int | None) -> None:
        """As in `ClosedLoop`."""
        self._loop.on_refused(connection, done_ns, wait_ns)

    def _advance(self) -> None:
        self._event = next(self._events, None)
        offset_ns = self._length_ns if self._event is None else self._event[0]
        self._event_ns = self._origin_ns + offset_ns
