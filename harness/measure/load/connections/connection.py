"""A connection: a non-blocking socket and the one request that it carries, as a small state machine."""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import ssl
from _socket import socket as RawSocket  # noqa: N812  (the C class: gevent replaces `socket.socket`)
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from harness.clock import NS_PER_MS, monotonic_ns
from harness.measure.load.connections.http_parser import ResponseParser
from harness.measure.load.connections.receive_stamps import STAMPED_USERS, StampedReceiver
from harness.measure.load.connections.tls_socket import TlsSocket
from harness.record.rows import ABSENT, Outcome
from harness.wire.http.llhttp_parser import HttpError

if TYPE_CHECKING:
    from harness.measure.load.connections.repeated_response import GoodResponse
    from harness.measure.load.connections.server_address import ServerAddress
    from harness.wire.http.llhttp_parser import HttpResponse, LlhttpParser

CHUNK_BYTES = 1 << 16
MAX_CHUNK_BYTES = 1 << 20
MOST_READS = 8  # in a row, from one connection
CLOSED_SILENTLY = "the server closed the connection without a response"
MAY_BE_ANOTHERS = "more than one response came: this one may answer an earlier request"
_TIMEOUT_NOTICE = re.compile(rb"HTTP/1\.[01] 408\b")
# Edge-triggered epoll saves one look-up in the kernel per response. The handler must read until EAGAIN; EOF is reported
# together with the last bytes.
AT_EDGES = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
STALE_AFTER_NS = 500 * NS_PER_MS  # after that time in idle the server may have closed it unnoticed


class State(IntEnum):
    """The states of a connection."""

    CLOSED = 0
    CONNECTING = 1
    SENDING = 2
    AWAITING = 3
    IDLE = 4


CLOSED, CONNECTING, SENDING, AWAITING, IDLE = (int(state) for state in State)


class ConnectionListener(Protocol):
    """Receives the events of connections, and polls their descriptors."""

    def watch(self, connection: Connection, events: int) -> None:
        """Call the connection's `on_event` for `events`."""

    def unwatch(self, connection: Connection) -> None:
        """Stop polling: the descriptor is about to be closed."""

    def on_response(self, connection: Connection, response: HttpResponse, done_ns: int) -> None:
        """The response is whole; the connection is free for the next request."""

    def on_repeat(self, connection: Connection, good: GoodResponse, timing: bytes, done_ns: int) -> None:
        """A whole response equals the earlier `good` one but for its durations, `timing`; the connection is free."""

    def on_failure(self, connection: Connection, outcome: Outcome, text: str) -> None:
        """The request failed; the connection is closed, and free for the next request."""

    def on_resend(self) -> None:
        """A request is sent again, because the idle connection turned out to be closed."""

    def on_unasked(self) -> None:
        """The server has sent bytes that no request asked for, such as a second response."""

    def on_reconnect(self, took_ns: int) -> None:
        """The connection is open again after that time, because it was lost, or closed after a response."""


class Connection:
    """One connection, opened on first use and again after it was lost."""

    edge_triggered = True  # `receive` says when there may be more to read

    __slots__ = (
        "_address",
        "_ends",
        "_heads",
        "_idle_since_ns",
        "_is_reusable",
        "_listener",
        "_may_resend",
        "_opened_ns",
        "_parser",
        "_put",
        "_reading",
        "_recv",
        "_resends_when_reused",
        "_socket",
        "_unsent",
        "asked_wait_ns",
        "due_ns",
        "fd",
        "first_byte_ns",
        "good",
        "last_read",
        "leaving",
        "payload",
        "reads_ahead",
        "request",
        "sent_ns",
        "spent_ns",
        "stamps",
        "started_ns",
        "state",
        "user",
    )

    def __init__(
        self, address: ServerAddress | None, listener: ConnectionListener, heads: dict[bytes, Any], user: int
    ) -> None:
        self._address = address
        self._listener = listener
        self._heads = heads
        self._socket: RawSocket | TlsSocket | None = None
        self._unsent: memoryview | None = None
        self._may_resend = False
        self._opened_ns = ABSENT  # the start of the request for which it was opened last
        self._is_reusable = True  # after a response, as far as the server says so, and has kept to it so far
        self.reads_ahead = False  # `read` reads what arrives; `take` takes it in once all that has arrived is read
        self._resends_when_reused = False  # only after a long idle time: else the server fails the request by closing
        self._ends = False  # no more responses come: the server has announced it, or is not believed
        self._reading = select.EPOLLIN  # the events to poll for while a response is awaited
        self._idle_since_ns = 0
        self.fd = -1
        self.state = CLOSED
        self.user = user
        self.leaving = False  # its user has left: close it once it is free
        self.request = b""
        self.payload = ABSENT
        self.good: GoodResponse | None = None  # an earlier response to the same payload
        self.last_read = b""  # the bytes that complete the response, while the listener is told of it
        self.spent_ns: dict[str, int] | None = None  # on client-side preprocessing, by step
        self.due_ns = self.started_ns = 0
        self.sent_ns = self.first_byte_ns = ABSENT
        self.asked_wait_ns: int | None = None  # by the server, before the next request, where it has refused the last
        self.stamps: StampedReceiver | None = None  # of the socket, where its packets are stamped
        self._renew()

    def begin(self, request: bytes, due_ns: int) -> None:
        """Send `request`, connecting first where needed. The connection must be free."""
        self.request = request
        self.due_ns = due_ns
        self.first_byte_ns = ABSENT
        self.started_ns = now_ns = monotonic_ns()
        if self.state == IDLE:
            self._may_resend = self._resends_when_reused or now_ns - self._idle_since_ns > STALE_AFTER_NS
            self._send(now_ns)
        else:
            self.sent_ns = ABSENT
            self._may_resend = False
            self._connect()

    def pause_ns(self) -> int:
        """How long its user pauses after the response that has just come, besides the think time."""
        return 0

    def receive(self) -> bool:
        """Read from the socket, which is readable. Returns True where there may be more to read."""
        missing = self._parser.missing_bytes
        recv = self._recv  # Python 3.11 looks a function in an attribute up slowly where it is called there
        try:
            # One byte more than is missing: unexpected bytes after the response are found now, not with the next one.
            data = recv(CHUNK_BYTES if missing < CHUNK_BYTES else min(missing + 1, MAX_CHUNK_BYTES))
        except BlockingIOError:
            return False
        except OSError as error:
            self._lost(error_text(error))
            return False
        now_ns = monotonic_ns()
        good = self.good
        if good is None:
            return self.take(data, now_ns)
        timing = b""
        if data != good.raw:
            timing = good.timing_in(data)
            if not timing:
                return self.take(data, now_ns)
        if self.first_byte_ns != ABSENT or self.state != AWAITING or self._ends:
            return self.take(data, now_ns)  # in the middle of a response, or before a close
        self.state = IDLE
        self.first_byte_ns = self._idle_since_ns = now_ns
        self._listener.on_repeat(self, good, timing, now_ns)
        return False

    def read(self) -> bytes | None:
        """The bytes that have arrived; None where there are none, or where the connection was lost."""
        recv = self._recv
        try:
            return recv(CHUNK_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            self._lost(error_text(error))
            return None

    def take(self, data: bytes, now_ns: int) -> bool:
        """Read the bytes that arrived at `now_ns`; none at all are the end. Returns what `receive` does."""
        parser = self._parser
        try:
            if data:
                if self.first_byte_ns == ABSENT:
                    self.first_byte_ns = now_ns
                response = parser.feed(data)
            else:
                response = parser.eof()
                if response is None:
                    self._lost(CLOSED_SILENTLY)
                    return False
        except HttpError as error:
            self.asked_wait_ns = error.refusal.wait_ns if error.refusal else None
            self.fail(Outcome.REJECTED if error.refusal else Outcome.ERROR, str(error))
            return False
        if response is None:
            return self._reading == AT_EDGES
        self.last_read = data
        self._finish(response, now_ns)
        self.last_read = b""
        return False

    def receive_more(self) -> None:
        """Read on, MOST_READS times at most: then other connections have their turn, and epoll reports again."""
        for _ in range(MOST_READS):
            if not self.receive():
                return
        self._listener.watch(self, self._reading)

    def _finish(self, response: HttpResponse, now_ns: int) -> None:
        unasked = self._parser.started
        if response.keep_alive and self.state == AWAITING and not (self._ends or unasked):
            self.state = IDLE
            self._idle_since_ns = now_ns
        else:
            # The server closes, has responded before all was sent, or has sent unexpected bytes after the response.
            self.close()
        if unasked:
            self._distrust()
            if self.started_ns != self._opened_ns:
                self._listener.on_failure(self, Outcome.ERROR, MAY_BE_ANOTHERS)
                return
        self._listener.on_response(self, response, now_ns)

    def on_event(self, events: int) -> None:
        """Handle an event other than bytes of an awaited response (which `receive` handles)."""
        self._ends = self._ends or bool(events & select.EPOLLRDHUP)
        if self.state == IDLE:
            if events & select.EPOLLIN and self._is_sent_unasked():
                self._distrust()
            self.close()  # the server has closed it, or sends unexpected bytes
        elif self.state == CONNECTING:
            self._connected()
        elif events & ~select.EPOLLOUT:
            if self.receive():
                self.receive_more()
        else:
            self._send_rest()

    def _is_sent_unasked(self) -> bool:
        """Whether an idle server sends more than blank lines and the 408 with which it may take its leave."""
        try:
            data = self._recv(CHUNK_BYTES)
        except OSError:
            return False
        return bool(data.strip()) and not _TIMEOUT_NOTICE.match(data)

    def _distrust(self) -> None:
        """From now on each request has a connection of its own, where no other response can be taken for its own."""
        self._is_reusable = False
        self._listener.on_unasked()

    def fail(self, outcome: Outcome, text: str) -> None:
        """End the request as a failure, and close."""
        self.close()
        self._listener.on_failure(self, outcome, text)

    def close(self) -> None:
        """Close the socket; the connection can be used again."""
        self.state = CLOSED
        if self._socket is not None:
            self._listener.unwatch(self)
            self._socket.close()
            self._socket = None
            self._unsent = None
            self._renew()

    def _renew(self) -> None:
        """Reset the parser for a new socket."""
        self._parser = self._new_parser()

    def _new_parser(self) -> ResponseParser | LlhttpParser:
        return ResponseParser(self._heads)

    def _connect(self) -> None:
        try:
            self._socket = sock = self._where.socket()
        except OSError as error:
            self.fail(Outcome.ERROR, f"cannot connect: {error_text(error)}")
            return
        self.fd = sock.fileno()
        self._ends = not self._is_reusable
        self._reading = AT_EDGES if self.edge_triggered and isinstance(sock, RawSocket) else select.EPOLLIN
        plain = isinstance(sock, RawSocket) and self.user % STAMPED_USERS == 0
        self.stamps = StampedReceiver.of(sock) if plain and isinstance(sock, RawSocket) else None
        self._recv = self.stamps.recv if self.stamps else sock.recv
        self._put = sock.send
        self.state = CONNECTING
        self._listener.watch(self, select.EPOLLOUT)

    def _connected(self) -> None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if self._socket else errno.ENOTCONN
        if code:
            self.fail(Outcome.ERROR, f"cannot connect: {os.strerror(code)}")
            return
        if isinstance(self._socket, TlsSocket) and not self._secured(self._socket):
            return
        self._listener.watch(self, self._reading)
        if self._opened_ns != ABSENT:
            self._listener.on_reconnect(monotonic_ns() - self.started_ns)
        self._opened_ns = self.started_ns
        self._send(self.started_ns)  # the time to connect is the server's, and no lateness of the load

    def _secured(self, sock: TlsSocket) -> bool:
        """Continue the TLS handshake. Returns True once it is done."""
        try:
            done = sock.handshake()
        except OSError as error:
            self.fail(Outcome.ERROR, f"cannot connect: TLS: {error_text(error)}")
            return False
        if not done:
            self._listener.watch(self, select.EPOLLIN | (select.EPOLLOUT if sock.wants_to_send else 0))
        return done

    def _send(self, now_ns: int) -> None:
        self.sent_ns = now_ns
        self.state = AWAITING
        request, put = self.request, self._put
        try:
            sent = put(request)
        except OSError as error:
            self._not_written(request, error)
            return
        if sent < len(request):
            self._keep_unsent(request, sent)

    def _write(self, data: bytes) -> None:
        """Send `data`; the rest of it follows when the kernel has room."""
        try:
            sent = self._put(data)
        except OSError as error:
            self._not_written(data, error)
            return
        if sent < len(data):
            self._keep_unsent(data, sent)

    def _not_written(self, data: bytes, error: OSError) -> None:
        if isinstance(error, BlockingIOError):
            self._keep_unsent(data, 0)
        else:
            self._lost(error_text(error))

    def _keep_unsent(self, data: bytes, sent: int) -> None:
        self.state = SENDING
        self._unsent = memoryview(data)[sent:]
        self._listener.watch(self, select.EPOLLIN | select.EPOLLOUT)

    def _send_rest(self) -> None:
        if self._unsent is None:
            return
        try:
            sent = self._put(self._unsent)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(error_text(error))
            return
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._unsent = None
            self.state = AWAITING
            self._listener.watch(self, self._reading)

    @property
    def _where(self) -> ServerAddress:
        if self._address is None:
            raise RuntimeError("this connection has no address")
        return self._address

    def _lost(self, text: str) -> None:
        """The connection broke before the response was whole: send the request again, or fail."""
        if self._may_resend and self.first_byte_ns == ABSENT:
            self._may_resend = False
            self.close()
            self._listener.on_resend()
            self._connect()
            return
        self.fail(Outcome.ERROR, text)


def error_text(error: OSError) -> str:
    """The reason that the system, or OpenSSL, gives."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return error.strerror or str(error)
