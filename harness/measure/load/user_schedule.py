"""Users that come and go by a schedule; while they are there, each is a user of the closed loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.measure.load.phases import NEVER_NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.measure.load.closed_loop import ClosedLoop
    from harness.measure.load.connections.connection import Connection

Event = tuple[int, int, bool]  # nanoseconds since the start, number of the user, whether it comes


class Crowd:
    """Brings the users of `events` (in order of time) into `loop` and takes them out again; ends after `length_ns`."""

    def __init__(self, loop: ClosedLoop, events: Sequence[Event], length_ns: int) -> None:
        self.exhausted = False
        self._loop = loop
        self._events = iter(events)
        self._event: Event | None = None
        self._length_ns = length_ns
        self._event_ns = NEVER_NS  # when the next event is, or the end
        self._origin_ns = 0
        self._present: dict[int, int] = {}  # number in the loop, by the schedule's own number

    @property
    def next_due_ns(self) -> int:
        """When a user comes or goes, or a request is due."""
        return min(self._event_ns, self._loop.next_due_ns)

    def start(self, origin_ns: int) -> None:
        """The schedule counts from `origin_ns`."""
        self._origin_ns = origin_ns
        self._advance()
        self._loop.wake()

    def add_user(self) -> int:
        """Nothing changes: the schedule says who is there."""
        return 0

    def remove_user(self, user: int) -> None:
        """Nothing changes."""

    def stop(self) -> None:
        """Nothing is due any more."""
        self._event_ns = NEVER_NS
        self._event = None
        self._loop.stop()

    def on_due(self, now_ns: int) -> None:
        """Let users come and go, and send what is due."""
        while self._event_ns <= now_ns:
            if self._event is None:
                self.exhausted = True
                self._event_ns = NEVER_NS
                break
            _, user, comes = self._event
            if comes:
                self._present[user] = self._loop.add_user()
            else:
                self._loop.remove_user(self._present.pop(user))
            self._advance()
        self._loop.on_due(now_ns)

    def on_free(self, connection: Connection, done_ns: int, *, failed: bool) -> None:
        """As in any closed loop."""
        self._loop.on_free(connection, done_ns, failed=failed)

    def _advance(self) -> None:
        self._event = next(self._events, None)
        offset_ns = self._length_ns if self._event is None else self._event[0]
        self._event_ns = self._origin_ns + offset_ns
