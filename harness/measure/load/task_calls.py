"""Calls of users who make their requests in Python code: a user calls, waits, and gets the response.

Connections, records and timers are those of the engine; only the listener of the connection differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from harness.clock import monotonic_ns
from harness.record.rows import Outcome
from harness.wire.http.llhttp_parser import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.measure.load.connections.connection import Connection
    from harness.measure.load.connections.repeated_response import GoodResponse
    from harness.measure.load.engine import Engine
    from harness.measure.load.payloads.response_check import Check

    Wake = Callable[[], object]

NO_RESPONSE = HttpResponse(0, b"", b"", False, 0)


class CallResult(NamedTuple):
    """The end of a call: its response, or the reason why there is none."""

    outcome: Outcome
    response: HttpResponse  # status 0 where there is none
    error: str  # empty where there is a response
    response_time_ns: int

    @property
    def ok(self) -> bool:
        """Whether the response is a success, and right as far as it was checked."""
        return self.outcome == Outcome.OK


class Call(NamedTuple):
    """A request to send, with its place in the load's `RequestClassTable`."""

    request: bytes
    payload: int
    check: Check | None = None  # None: compare with the bank


class Caller:
    """One user's connection, for one call at a time. It is the listener of that connection."""

    __slots__ = ("_call", "_connection", "_engine", "_result", "_wake")

    def __init__(self, engine: Engine, user: int) -> None:
        self._engine = engine
        self._connection = engine.connection(user, self)
        self._call: Call | None = None
        self._result: CallResult | None = None
        self._wake: Wake | None = None

    def begin(self, call: Call) -> CallResult | None:
        """Send now. Returns the result where the call has ended already; None: call `on_end`."""
        self._call, self._result = call, None
        self._engine.send(self._connection, call.request, call.payload)
        return self._result

    def on_end(self, wake: Wake) -> None:
        """Call `wake` once the call has ended."""
        self._wake = wake

    def end(self) -> CallResult:
        """The result of the last call. Raises RuntimeError while it is open."""
        if self._result is None:
            raise RuntimeError("the call is still open")
        return self._result

    def leave(self) -> None:
        """Close the connection after its open call, whose row is still written; nobody is woken."""
        self._wake = None
        self._connection.leaving = True
        if self._call is None:
            self._connection.close()

    # The caller as a ConnectionListener.

    def watch(self, connection: Connection, events: int) -> None:
        """Passed on to the engine, which polls."""
        self._engine.watch(connection, events)

    def unwatch(self, connection: Connection) -> None:
        """Passed on to the engine, which polls."""
        self._engine.unwatch(connection)

    def on_response(self, connection: Connection, response: HttpResponse, done_ns: int) -> None:
        """Record the response and wake the user."""
        check = self._call.check if self._call else None
        outcome = self._engine.responded(connection, response, done_ns, check)
        self._ended(CallResult(Outcome(outcome), response, "", done_ns - connection.due_ns))

    def on_repeat(self, connection: Connection, good: GoodResponse, timing: bytes, done_ns: int) -> None:
        """Never called: a task is given each of its responses, so that none is expected to come again."""

    def on_failure(self, connection: Connection, outcome: Outcome, text: str) -> None:
        """Record the failure and wake the user."""
        now_ns = monotonic_ns()
        self._engine.failed(connection, outcome, text, now_ns)
        self._ended(CallResult(outcome, NO_RESPONSE, text, now_ns - connection.due_ns))

    def on_resend(self) -> None:
        """Count a request that was sent again."""
        self._engine.on_resend()

    def on_unasked(self) -> None:
        """Count bytes that no request asked for."""
        self._engine.on_unasked()

    def on_reconnect(self, took_ns: int) -> None:
        """Count a connection that was opened again."""
        self._engine.on_reconnect(took_ns)

    def _ended(self, result: CallResult) -> None:
        self._call, self._result = None, result
        wake, self._wake = self._wake, None
        if self._connection.leaving:
            self._connection.close()
        elif wake is not None:
            wake()
