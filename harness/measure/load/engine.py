"""The engine: one scheduler and one epoll descriptor drive all connections of a load process.

It has no thread and no greenlet of its own. The owner of the process's event loop calls `turn` when `fileno` is
readable. `turn` never blocks and returns after some milliseconds at most, so that other greenlets can run.
"""

from __future__ import annotations

from select import EPOLLET, EPOLLIN
from typing import TYPE_CHECKING, Any, Protocol

from harness.clock import NS_PER_MS, NS_PER_S, NS_PER_US, monotonic_ns
from harness.measure.load.connections.connection import AWAITING, CONNECTING, IDLE
from harness.measure.load.loop_health import TICK_NS
from harness.measure.load.phases import NEVER_NS
from harness.record.rows import ABSENT, Outcome
from harness.system.timerfd import TimerFd
from harness.wire.http.llhttp_parser import REFUSED
from harness.wire.http.refusal import REFUSED_STATUSES, refusal_in
from harness.wire.http.retry_after import retry_after_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.measure.load.connections.connection import Connection, ConnectionListener
    from harness.measure.load.connections.repeated_response import GoodResponse
    from harness.measure.load.ledger import Ledger
    from harness.measure.load.loop_health import LoopMonitor
    from harness.measure.load.payloads.client_preprocessing import ClientPreprocessor
    from harness.measure.load.payloads.response_check import Check
    from harness.wire.http.llhttp_parser import HttpResponse

    ConnectionMaker = Callable[[ConnectionListener, int], Connection]

TURN_NS = 4 * NS_PER_MS  # after which other greenlets run, though more has arrived
MAX_EVENTS = 512
BUSY_EVENTS = 4  # with as many at once more are likely on their way: poll again before returning to the hub
SPIN_NS = 150 * NS_PER_US  # a timer wakes up about this late, so the last part of a wait is busy waiting
MAX_SPIN_SHARE = 0.5
LEISURE_NS = 2 * NS_PER_MS  # until the next request is due: enough to make one that is due later
TIMEOUT_TICKS = 2  # ticks of the timer between two looks for requests that have exceeded a limit
SERVER_ERROR = 500


class DueTimes(Protocol):
    """Decides when requests are due and which connection takes each."""

    @property
    def next_due_ns(self) -> int:
        """The next instant at which something is due; NEVER_NS where nothing is."""

    def on_due(self, now_ns: int) -> None:
        """`next_due_ns` has come."""

    def on_free(self, connection: Connection, done_ns: int, *, failed: bool) -> None:
        """The request of `connection` has ended: with a response, given up, or `failed`."""

    def on_refused(self, connection: Connection, done_ns: int, wait_ns: int | None) -> None:
        """The server has refused the request. It asks its client to wait so long (None: it says nothing)."""


class RequestMaker(Protocol):
    """Makes requests before they are due."""

    def make_one(self) -> bool:
        """Make one more. False: there are enough."""

    def skip(self) -> None:
        """A request that was due is not sent."""


class Timeouts:
    """Limits in ns, from the start of a request: to the end of its response, to a connection, to the first byte."""

    def __init__(self, whole_ns: int, connect_ns: int, first_byte_ns: int) -> None:
        self.whole_ns = whole_ns
        self.connect_ns = connect_ns
        self.first_byte_ns = first_byte_ns

    def exceeded(self, connection: Connection, now_ns: int) -> str | None:
        """The limit that the request of `connection` has exceeded, in words; None where it has not."""
        since_ns = now_ns - connection.started_ns
        if since_ns >= self.whole_ns:
            return f"timeout: no whole response within {self.whole_ns / NS_PER_S:g} s"
        if connection.state == CONNECTING and since_ns >= self.connect_ns:
            return f"timeout: not connected within {self.connect_ns / NS_PER_S:g} s"
        if connection.first_byte_ns == ABSENT and since_ns >= self.first_byte_ns:
            return f"timeout: no first byte within {self.first_byte_ns / NS_PER_S:g} s"
        return None


class Engine:
    """Owns the connections, their descriptors and the timers.

    Args:
        make_connection: makes a connection for a listener and a user's number.
        requests: the encoded request of each payload.
        order: the numbers of the payloads to send, endless.
        ledger: counts requests and writes their rows.
        timeouts: the limits after which a request is aborted as a time-out.
        health: receives the lateness of each tick of the loop.
        epoll: makes the epoll object (gevent hides the one in `select`).
    """

    def __init__(  # noqa: PLR0917  (what an engine is made of)
        self,
        make_connection: ConnectionMaker,
        requests: list[bytes],
        order: Iterator[int],
        ledger: Ledger,
        timeouts: Timeouts,
        health: LoopMonitor,
        epoll: Callable[[], Any],
    ) -> None:
        self._make_connection = make_connection
        self._requests = requests
        self.preprocessor: ClientPreprocessor | None = None  # where clients preprocess their payloads
        self.request_maker: RequestMaker | None = None  # where a connection makes its own requests
        self._next_payload = order.__next__
        self._ledger = ledger
        self._good_response = ledger.repeated.of
        self._timeouts = timeouts
        self._health = health
        self._epoll = epoll()
        self._poll = self._epoll.poll
        self._connections: dict[int, Connection] = {}
        self._arrivals: DueTimes = _NoArrivals()
        self._spin_ns = SPIN_NS
        self._armed_ns = NEVER_NS
        self._due_timer = TimerFd()
        self._tick_timer = TimerFd()
        self._next_tick_ns = monotonic_ns() + TICK_NS
        self._tick_timer.arm(self._next_tick_ns, TICK_NS)
        self._ticks = 0
        self._epoll.register(self._due_timer.fileno(), EPOLLIN | EPOLLET)
        self._epoll.register(self._tick_timer.fileno(), EPOLLIN)
        self._timer_fds = (self._due_timer.fileno(), self._tick_timer.fileno())

    @property
    def in_flight(self) -> int:
        """How many requests were sent and have not ended."""
        return self._ledger.open_requests

    @property
    def makes_requests(self) -> bool:
        """Whether each request is made when it is due, which takes time; others were made before the load."""
        return self.request_maker is not None

    def fileno(self) -> int:
        """A descriptor that is readable when `turn` has something to do."""
        return int(self._epoll.fileno())

    def attach(self, arrivals: DueTimes, rate_rps: float = 0.0) -> None:
        """Take due times from `arrivals`. `rate_rps` bounds the share of time spent in busy waiting for them."""
        self._arrivals = arrivals
        self._spin_ns = int(min(SPIN_NS, MAX_SPIN_SHARE * NS_PER_S / rate_rps)) if rate_rps > 0 else SPIN_NS

    def wake(self) -> None:
        """Make `fileno` readable, because due times may have changed."""
        self._arm(1)

    def connection(self, user: int, listener: ConnectionListener | None = None) -> Connection:
        """A new connection, opened on first use. Its events go to `listener`, by default to the engine."""
        return self._make_connection(listener or self, user)

    def send(self, connection: Connection, request: bytes, payload: int) -> None:
        """Send `request` now, over a connection with a listener of its own."""
        connection.payload = payload
        self._ledger.user_paced = True
        self._ledger.scheduled += 1
        self._ledger.sent += 1
        connection.begin(request, monotonic_ns())

    def responded(self, connection: Connection, response: HttpResponse, done_ns: int, check: Check | None) -> int:
        """Record the response to a request that was sent here. Returns its outcome."""
        return self._ledger.responded(connection, response, done_ns, check)

    def failed(self, connection: Connection, outcome: Outcome, text: str, now_ns: int) -> None:
        """Record the failure of a request that was sent here."""
        self._ledger.failed(connection, outcome, text, now_ns)

    def next_payload(self) -> tuple[int, bytes]:
        """The number of the next payload in the load's order, and its request."""
        payload = self._next_payload()
        return payload, self._requests[payload]

    def request(self, payload: int) -> bytes:
        """The request of a payload. Raises IndexError."""
        return self._requests[payload]

    def launch(self, connection: Connection, due_ns: int) -> None:
        """Send the next payload over a free connection; it was due at `due_ns`."""
        ledger, next_payload, good_response = self._ledger, self._next_payload, self._good_response
        connection.payload = payload = next_payload()
        connection.good = good_response(payload)
        ledger.scheduled += 1
        ledger.sent += 1
        preprocessor = self.preprocessor
        connection.begin(self._requests[payload] if preprocessor is None else preprocessor(payload, connection), due_ns)

    def skip(self, due_ns: int) -> None:
        """Record that a request was due at `due_ns` and was not sent, because too many are open."""
        self._ledger.scheduled += 1
        self._ledger.not_sent(due_ns, self._next_payload())
        if self.request_maker is not None:
            self.request_maker.skip()

    def turn(self) -> None:
        """Handle the events that are pending and the requests that are due."""
        stop_ns = monotonic_ns() + TURN_NS
        arrivals = self._arrivals
        while True:
            events = self._poll(0, MAX_EVENTS)
            self._handle(events)
            now_ns = monotonic_ns()
            wait_ns = arrivals.next_due_ns - now_ns
            if wait_ns <= 0:
                arrivals.on_due(now_ns)
            elif wait_ns > self._spin_ns and len(events) < BUSY_EVENTS:
                self._make_ahead(wait_ns)
                break
            if now_ns >= stop_ns:
                break
        due_ns = arrivals.next_due_ns - self._spin_ns
        if due_ns != self._armed_ns:
            self._arm(due_ns)

    def _handle(self, events: list[tuple[int, int]]) -> None:
        """Handle the events of one poll: for streams, all sockets are read before anything is parsed."""
        connections = self._connections
        read = []
        timers = []
        for fd, mask in events:
            connection = connections.get(fd)
            if connection is None:
                timers.append(fd)
            elif mask == EPOLLIN and connection.state == AWAITING:
                if connection.reads_ahead:
                    read.append((connection, connection.read(), monotonic_ns()))
                elif connection.receive():
                    connection.receive_more()
            else:
                connection.on_event(mask)
        for connection, data, read_ns in read:
            if data is not None:
                connection.take(data, read_ns)
        for fd in timers:  # last: they may give up a connection that was read
            self._on_timer(fd)

    def _make_ahead(self, wait_ns: int) -> None:
        """Make a request that is due later, where the next is not due for a while."""
        if self.request_maker is not None and wait_ns > LEISURE_NS:
            self.request_maker.make_one()

    def abort(self, now_ns: int) -> None:
        """Abort every open request. The row of each ends now."""
        for connection in [*self._connections.values()]:
            if connection.state != IDLE:
                connection.close()
                self._ledger.failed(connection, Outcome.ABORTED, "still open at the end", now_ns)

    def close(self) -> None:
        """Close all connections and descriptors."""
        for connection in [*self._connections.values()]:
            connection.close()
        self._due_timer.close()
        self._tick_timer.close()
        self._epoll.close()

    # The engine as a ConnectionListener.

    def watch(self, connection: Connection, events: int) -> None:
        """Call the connection's handler for `events`."""
        if connection.fd in self._connections:
            self._epoll.modify(connection.fd, events)
        else:
            self._epoll.register(connection.fd, events)
            self._connections[connection.fd] = connection

    def unwatch(self, connection: Connection) -> None:
        """Forget the connection's descriptor; closing it removes it from epoll."""
        self._connections.pop(connection.fd, None)

    def on_response(self, connection: Connection, response: HttpResponse, done_ns: int) -> None:
        """Record the response; the connection is free."""
        outcome = self._ledger.responded(connection, response, done_ns)
        status = response.status
        if outcome and (REFUSED <= status < SERVER_ERROR or status in REFUSED_STATUSES):
            wait_ns = retry_after_ns(response.retry_after)
            if wait_ns is None and (refusal := refusal_in(response.body)):
                wait_ns = refusal.wait_ns
            self._arrivals.on_refused(connection, done_ns, wait_ns)
        else:
            self._arrivals.on_free(connection, done_ns, failed=outcome == Outcome.ERROR)

    def on_repeat(self, connection: Connection, good: GoodResponse, timing: bytes, done_ns: int) -> None:
        """Record a response that equals a good one but for its durations; the connection is free."""
        self._ledger.repeat(connection, good, timing, done_ns)
        self._arrivals.on_free(connection, done_ns, failed=False)

    def on_failure(self, connection: Connection, outcome: Outcome, text: str) -> None:
        """Record the failure; the connection is free."""
        now_ns = monotonic_ns()
        self._ledger.failed(connection, outcome, text, now_ns)
        if outcome is Outcome.REJECTED:
            self._arrivals.on_refused(connection, now_ns, connection.asked_wait_ns)
        else:
            self._arrivals.on_free(connection, now_ns, failed=outcome is Outcome.ERROR)

    def on_resend(self) -> None:
        """Count a request that was sent again."""
        self._ledger.resent += 1

    def on_unasked(self) -> None:
        """Count bytes that no request asked for."""
        self._ledger.unasked += 1

    def on_reconnect(self, took_ns: int) -> None:
        """Count a connection that was opened again."""
        self._ledger.reconnects += 1
        self._ledger.reconnect_ns += took_ns

    def _on_timer(self, fd: int) -> None:
        if fd != self._timer_fds[1]:
            self._armed_ns = NEVER_NS  # it has fired (or it is a socket closed in this very round: arming is harmless)
            return
        now_ns = monotonic_ns()
        self._health.tick(max(0, now_ns - self._next_tick_ns))
        self._next_tick_ns += self._tick_timer.expirations() * TICK_NS
        self._ticks += 1
        if self._ticks % TIMEOUT_TICKS == 0:
            self._abort_timed_out(now_ns)

    def _abort_timed_out(self, now_ns: int) -> None:
        """Abort the requests that have exceeded a limit: one pass instead of a timer for each."""
        exceeded = self._timeouts.exceeded
        late = []
        for connection in self._connections.values():
            if connection.state != IDLE:
                text = exceeded(connection, now_ns)
                if text is not None:
                    late.append((connection, text))
        for connection, text in late:
            connection.fail(Outcome.TIMEOUT, text)

    def _arm(self, due_ns: int) -> None:
        self._armed_ns = due_ns
        self._due_timer.arm(due_ns)


class _NoArrivals:
    """Stands in before `attach`: nothing is due."""

    next_due_ns = NEVER_NS

    def on_due(self, now_ns: int) -> None:
        """Never called."""

    def on_free(self, connection: Connection, done_ns: int, *, failed: bool) -> None:
        """Does nothing."""

    def on_refused(self, connection: Connection, done_ns: int, wait_ns: int | None) -> None:
        """Does nothing."""
