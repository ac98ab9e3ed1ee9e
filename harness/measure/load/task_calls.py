"""A user whose requests come from code of its own: it calls, waits, and is given the answer.

The connection, the books and the clockwork are the engine's; only who is told of an answer differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from harness.clock import monotonic_ns
from harness.measure.load.connections.http_parser import Answer
from harness.record.rows import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.measure.load.connections.connection import Connection
    from harness.measure.load.engine import Engine
    from harness.measure.load.payloads.response_check import Check

    Wake = Callable[[], object]

NO_ANSWER = Answer(0, b"", b"", False, 0)


class Reply(NamedTuple):
    """How a call ended: the answer, or why there is none."""

    outcome: Outcome
    answer: Answer  # status 0 where none came
    error: str  # empty where an answer came
    response_time_ns: int

    @property
    def ok(self) -> bool:
        """Whether it is a good answer, and a right one as far as it was checked."""
        return self.outcome == Outcome.OK


class Call(NamedTuple):
    """What to send, and what is known of it."""

    request: bytes
    payload: int  # its place in the load's `ClassBook`
    check: Check | None = None  # None: against the bank


class Caller:
    """One user's connection; owns it in the engine's place. One call at a time."""

    __slots__ = ("_call", "_connection", "_engine", "_reply", "_wake")

    def __init__(self, engine: Engine, user: int) -> None:
        self._engine = engine
        self._connection = engine.connection(user, self)
        self._call: Call | None = None
        self._reply: Reply | None = None
        self._wake: Wake | None = None

    def begin(self, call: Call) -> Reply | None:
        """Send now; how the call ended, if it has already. Otherwise `on_end` is to be asked for."""
        self._call, self._reply = call, None
        self._engine.send(self._connection, call.request, call.payload)
        return self._reply

    def on_end(self, wake: Wake) -> None:
        """Have `wake` called once the call has ended."""
        self._wake = wake

    def end(self) -> Reply:
        """How it ended."""
        if self._reply is None:
            raise RuntimeError("the call is still open")
        return self._reply

    def leave(self) -> None:
        """Nobody waits any more; an open call is still answered, and written down."""
        self._wake = None
        self._connection.leaving = True
        if self._call is None:
            self._connection.close()

    # What the connection tells its owner.

    def watch(self, connection: Connection, events: int) -> None:
        """The engine polls."""
        self._engine.watch(connection, events)

    def unwatch(self, connection: Connection) -> None:
        """The engine polls."""
        self._engine.unwatch(connection)

    def on_answer(self, connection: Connection, answer: Answer, done_ns: int) -> None:
        """Enter it in the books, and wake who waits."""
        check = self._call.check if self._call else None
        outcome = self._engine.answered(connection, answer, done_ns, check)
        self._ended(Reply(Outcome(outcome), answer, "", done_ns - connection.due_ns))

    def on_failure(self, connection: Connection, outcome: Outcome, text: str) -> None:
        """Enter it in the books, and wake who waits."""
        now_ns = monotonic_ns()
        self._engine.failed(connection, outcome, text, now_ns)
        self._ended(Reply(outcome, NO_ANSWER, text, now_ns - connection.due_ns))

    def on_resend(self) -> None:
        """Count it."""
        self._engine.on_resend()

    def _ended(self, reply: Reply) -> None:
        self._call, self._reply = None, reply
        wake, self._wake = self._wake, None
        if self._connection.leaving:
            self._connection.close()
        elif wake is not None:
            wake()
