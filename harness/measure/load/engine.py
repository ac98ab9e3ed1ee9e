"""The engine: one scheduler and one epoll descriptor drive all connections of a load process.

It has no thread and no greenlet of its own. Whoever owns the process's event loop calls `turn` when `fileno` is
readable; `turn` never blocks and comes back after some milliseconds at the latest, so that the rest of the
process lives.
"""

from __future__ import annotations

from select import EPOLLET, EPOLLIN
from typing import TYPE_CHECKING, Any, Protocol

from harness.clock import NS_PER_MS, NS_PER_S, NS_PER_US, monotonic_ns
from harness.measure.load.connections.connection import AWAITING, CONNECTING, IDLE
from harness.measure.load.loop_health import TICK_NS
from harness.measure.load.phases import NEVER_NS
from harness.record.rows import ABSENT, Outcome
from harness.timerfd import TimerFd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.measure.load.connections.connection import Connection, Owner
    from harness.measure.load.connections.http_parser import Answer
    from harness.measure.load.ledger import Ledger
    from harness.measure.load.loop_health import HealthMeter
    from harness.measure.load.payloads.client_preprocessing import Preparer
    from harness.measure.load.payloads.response_check import Check

    ConnectionMaker = Callable[[Owner, int], Connection]

TURN_NS = 4 * NS_PER_MS
MAX_EVENTS = 512
BUSY_EVENTS = 4  # that many at once: more are likely on their way, look again before going back to the hub
SPIN_NS = 150 * NS_PER_US  # a timer wakes up about this late; the last part is waited for awake
MAX_SPIN_SHARE = 0.5
SWEEP_TICKS = 2


class Arrivals(Protocol):
    """Says when requests are due and which connection takes them."""

    @property
    def next_due_ns(self) -> int:
        """The next instant at which something is due."""

    def on_due(self, now_ns: int) -> None:
        """`next_due_ns` has come."""

    def on_free(self, connection: Connection, done_ns: int, *, failed: bool) -> None:
        """`connection` is done with its request, which failed or was answered."""


class Timeouts:
    """The longest a request may take: to connect, to the first byte of its answer, to the last; in ns."""

    def __init__(self, whole_ns: int, connect_ns: int, first_byte_ns: int) -> None:
        self.whole_ns = whole_ns
        self.connect_ns = connect_ns
        self.first_byte_ns = first_byte_ns

    def exceeded(self, connection: Connection, now_ns: int) -> str | None:
        """Which limit the request of `connection` is beyond, in words."""
        since_ns = now_ns - connection.started_ns
        if since_ns >= self.whole_ns:
            return f"timeout: no whole answer within {self.whole_ns / NS_PER_S:g} s"
        if connection.state == CONNECTING and since_ns >= self.connect_ns:
            return f"timeout: not connected within {self.connect_ns / NS_PER_S:g} s"
        if connection.first_byte_ns == ABSENT and since_ns >= self.first_byte_ns:
            return f"timeout: no first byte within {self.first_byte_ns / NS_PER_S:g} s"
        return None


class Engine:
    """Owns the connections, their descriptors and the clockwork.

    Args:
        make_connection: a connection for a user, told of its owner.
        requests: the encoded request of each payload.
        order: which payload comes next.
        ledger: the books.
        timeouts: when to give a request up.
        health: told of the loop's lateness.
        epoll: makes the epoll object (gevent hides the one in `select`).
    """

    def __init__(  # noqa: PLR0917  (what an engine is made of)
        self,
        make_connection: ConnectionMaker,
        requests: list[bytes],
        order: Iterator[int],
        ledger: Ledger,
        timeouts: Timeouts,
        health: HealthMeter,
        epoll: Callable[[], Any],
    ) -> None:
        self._make_connection = make_connection
        self._requests = requests
        self.preparer: Preparer | None = None  # where clients do more than send
        self._next_payload = order.__next__
        self._ledger = ledger
        self._timeouts = timeouts
        self._health = health
        self._epoll = epoll()
        self._poll = self._epoll.poll
        self._connections: dict[int, Connection] = {}
        self._arrivals: Arrivals = _NoArrivals()
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
        """Requests sent and not ended."""
        return self._ledger.open_requests

    def fileno(self) -> int:
        """Readable when `turn` has something to do."""
        return int(self._epoll.fileno())

    def attach(self, arrivals: Arrivals, rate_rps: float = 0.0) -> None:
        """Take due times from `arrivals`. `rate_rps` bounds how much of the time may be spent awake for them."""
        self._arrivals = arrivals
        self._spin_ns = int(min(SPIN_NS, MAX_SPIN_SHARE * NS_PER_S / rate_rps)) if rate_rps > 0 else SPIN_NS

    def wake(self) -> None:
        """Have `turn` called soon: due times may have changed."""
        self._arm(1)

    def connection(self, user: int, owner: Owner | None = None) -> Connection:
        """A new connection, opened on first use; `owner` is told of its answers, by default the engine itself."""
        return self._make_connection(owner or self, user)

    def send(self, connection: Connection, request: bytes, payload: int) -> None:
        """Send `request` now, over a connection that has an owner of its own."""
        connection.payload = payload
        self._ledger.own_pace = True
        self._ledger.scheduled += 1
        self._ledger.sent += 1
        connection.begin(request, monotonic_ns())

    def answered(self, connection: Connection, answer: Answer, done_ns: int, check: Check | None) -> int:
        """Enter it in the books, for such an owner; its outcome."""
        return self._ledger.answered(connection, answer, done_ns, check)

    def failed(self, connection: Connection, outcome: Outcome, text: str, now_ns: int) -> None:
        """Enter it in the books, for such an owner."""
        self._ledger.failed(connection, outcome, text, now_ns)

    def next_payload(self) -> tuple[int, bytes]:
        """The number of the payload that comes next in the load's order, and its request."""
        payload = self._next_payload()
        return payload, self._requests[payload]

    def request(self, payload: int) -> bytes:
        """The request of a payload. Raises IndexError."""
        return self._requests[payload]

    def launch(self, connection: Connection, due_ns: int) -> None:
        """Send the next payload over a free connection; it was due at `due_ns`."""
        connection.payload = payload = self._next_payload()
        ledger = self._ledger
        ledger.scheduled += 1
        ledger.sent += 1
        preparer = self.preparer
        connection.begin(self._requests[payload] if preparer is None else preparer(payload, connection), due_ns)

    def skip(self, due_ns: int) -> None:
        """A request was due at `due_ns`, and too many are open."""
        self._ledger.scheduled += 1
        self._ledger.not_sent(due_ns, self._next_payload())

    def turn(self) -> None:
        """Handle what has come and what is due."""
        stop_ns = monotonic_ns() + TURN_NS
        connections = self._connections
        arrivals = self._arrivals
        while True:
            events = self._poll(0, MAX_EVENTS)
            for fd, mask in events:
                connection = connections.get(fd)
                if connection is None:
                    self._on_timer(fd)
                elif mask == EPOLLIN and connection.state == AWAITING:
                    if connection.receive():
                        connection.receive_more()
                else:
                    connection.on_event(mask)
            now_ns = monotonic_ns()
            wait_ns = arrivals.next_due_ns - now_ns
            if wait_ns <= 0:
                arrivals.on_due(now_ns)
            elif wait_ns > self._spin_ns and len(events) < BUSY_EVENTS:
                break
            if now_ns >= stop_ns:
                break
        due_ns = arrivals.next_due_ns - self._spin_ns
        if due_ns != self._armed_ns:
            self._arm(due_ns)

    def abort(self, now_ns: int) -> None:
        """Give up every open request; each becomes a row that says how long it had been waited for."""
        for connection in [*self._connections.values()]:
            if connection.state != IDLE:
                connection.close()
                self._ledger.failed(connection, Outcome.ABORTED, "still open at the end", now_ns)

    def close(self) -> None:
        """Give all descriptors back."""
        for connection in [*self._connections.values()]:
            connection.close()
        self._due_timer.close()
        self._tick_timer.close()
        self._epoll.close()

    # What a connection tells its owner.

    def watch(self, connection: Connection, events: int) -> None:
        """Have the connection's handler called for `events`."""
        if connection.fd in self._connections:
            self._epoll.modify(connection.fd, events)
        else:
            self._epoll.register(connection.fd, events)
            self._connections[connection.fd] = connection

    def unwatch(self, connection: Connection) -> None:
        """Forget the connection's descriptor; closing it takes it out of epoll."""
        self._connections.pop(connection.fd, None)

    def on_answer(self, connection: Connection, answer: Answer, done_ns: int) -> None:
        """Enter it in the books and free the connection."""
        self._ledger.answered(connection, answer, done_ns)
        self._arrivals.on_free(connection, done_ns, failed=False)

    def on_failure(self, connection: Connection, outcome: Outcome, text: str) -> None:
        """Enter it in the books and free the connection."""
        now_ns = monotonic_ns()
        self._ledger.failed(connection, outcome, text, now_ns)
        self._arrivals.on_free(connection, now_ns, failed=True)

    def on_resend(self) -> None:
        """Count it."""
        self._ledger.resent += 1

    def _on_timer(self, fd: int) -> None:
        if fd != self._timer_fds[1]:
            self._armed_ns = NEVER_NS  # it has fired (or it is a socket closed in this very round: arming is harmless)
            return
        now_ns = monotonic_ns()
        self._health.tick(max(0, now_ns - self._next_tick_ns))
        self._next_tick_ns += self._tick_timer.expirations() * TICK_NS
        self._ticks += 1
        if self._ticks % SWEEP_TICKS == 0:
            self._sweep(now_ns)

    def _sweep(self, now_ns: int) -> None:
        """Give up the requests that have taken too long: one pass instead of a timer for each."""
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
    """Before there are any."""

    next_due_ns = NEVER_NS

    def on_due(self, now_ns: int) -> None:
        """Never."""

    def on_free(self, connection: Connection, done_ns: int, *, failed: bool) -> None:
        """Leave it be."""
