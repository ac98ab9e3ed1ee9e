"""A connection: a non-blocking socket and the one request it carries, as a small state machine."""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
from _socket import socket as RawSocket  # noqa: N812  (the C class: gevent replaces `socket.socket`)
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

from harness.clock import NS_PER_MS, monotonic_ns
from harness.errors import UserError
from harness.measure.load.connections.http_parser import AnswerParser, HttpError
from harness.measure.load.connections.tls_socket import TlsSocket
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from harness.measure.load.connections.http_parser import Answer
    from harness.wire.server_url import ServerUrl

CHUNK_BYTES = 1 << 16
MAX_CHUNK_BYTES = 1 << 20
MOST_READS = 8  # in a row, of one connection
CLOSED_SILENTLY = "the server closed the connection without an answer"
# Edge-triggered: the kernel looks once at what has come instead of twice. Who is told must read until nothing is left,
# and is told of the server's good-bye with the bytes that came before it.
AT_EDGES = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
STALE_AFTER_NS = 500 * NS_PER_MS  # a connection idle for that long may have been closed without our knowing


class State(IntEnum):
    """What a connection is doing."""

    CLOSED = 0
    CONNECTING = 1
    SENDING = 2
    AWAITING = 3
    IDLE = 4


CLOSED, CONNECTING, SENDING, AWAITING, IDLE = (int(state) for state in State)


@dataclass(frozen=True, slots=True)
class Address:
    """A resolved server address."""

    family: int
    where: Any  # as `socket.connect` takes it
    host: str = ""  # the name that a certificate must have
    tls: ssl.SSLContext | None = None

    def socket(self) -> RawSocket | TlsSocket:
        """A non-blocking socket, on its way there. Raises OSError."""
        raw = RawSocket(self.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = raw.connect_ex(self.where)
        if code not in (0, errno.EINPROGRESS):
            raw.close()
            raise OSError(code, os.strerror(code))
        return raw if self.tls is None else TlsSocket(raw, self.tls, self.host)


def resolve(url: ServerUrl) -> Address:
    """The first address of a server. Raises UserError where its name is not known."""
    try:
        family, _, _, _, where = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UserError(f"{url}: {error.strerror or error}; is the name right?", "server") from error
    tls = url.access.tls_context("h2" if url.is_grpc else "http/1.1") if url.secure else None
    return Address(int(family), where, url.host, tls)


class Owner(Protocol):
    """Who a connection tells about its request, and who watches its descriptor."""

    def watch(self, connection: Connection, events: int) -> None:
        """Have `on_event` called for `events`."""

    def unwatch(self, connection: Connection) -> None:
        """No more events: the descriptor is about to be closed."""

    def on_answer(self, connection: Connection, answer: Answer, done_ns: int) -> None:
        """The request was answered; the connection is free for the next one."""

    def on_failure(self, connection: Connection, outcome: Outcome, text: str) -> None:
        """The request failed; the connection is closed, and free for the next one."""

    def on_resend(self) -> None:
        """A request is sent again because the idle connection turned out to be closed."""


class Connection:
    """One connection, opened on first use and again when it was lost."""

    edge_triggered = True  # `receive` says when there may be more to read

    __slots__ = (
        "_address",
        "_ends",
        "_heads",
        "_idle_since_ns",
        "_may_resend",
        "_owner",
        "_parser",
        "_put",
        "_reading",
        "_recv",
        "_socket",
        "_unsent",
        "due_ns",
        "fd",
        "first_byte_ns",
        "leaving",
        "payload",
        "request",
        "sent_ns",
        "spent_ns",
        "started_ns",
        "state",
        "user",
    )

    def __init__(self, address: Address | None, owner: Owner, heads: dict[bytes, Any], user: int) -> None:
        self._address = address
        self._owner = owner
        self._heads = heads
        self._socket: RawSocket | TlsSocket | None = None
        self._unsent: memoryview | None = None
        self._may_resend = False
        self._ends = False  # the server has said that it sends no more
        self._reading = select.EPOLLIN  # what to be told of while an answer is waited for
        self._idle_since_ns = 0
        self.fd = -1
        self.state = CLOSED
        self.user = user
        self.leaving = False  # its user is gone: close it once it is free
        self.request = b""
        self.payload = ABSENT
        self.spent_ns: dict[str, int] | None = None  # on making the request, by step, where that was its user's part
        self.due_ns = self.started_ns = 0
        self.sent_ns = self.first_byte_ns = ABSENT
        self._renew()

    def begin(self, request: bytes, due_ns: int) -> None:
        """Send `request`, connecting first where needed. The connection must be free."""
        self.request = request
        self.due_ns = due_ns
        self.first_byte_ns = ABSENT
        self.started_ns = now_ns = monotonic_ns()
        if self.state == IDLE:
            self._may_resend = now_ns - self._idle_since_ns > STALE_AFTER_NS
            self._send(now_ns)
        else:
            self.sent_ns = ABSENT
            self._may_resend = False
            self._connect()

    def receive(self) -> bool:
        """Take what the socket has; called when it is readable. True: look again, there may be more."""
        parser = self._parser
        missing = parser.missing_bytes
        try:
            # One byte more than is missing: what comes behind the answer, unasked, must not wait for the next one.
            data = self._recv(CHUNK_BYTES if missing < CHUNK_BYTES else min(missing + 1, MAX_CHUNK_BYTES))
        except BlockingIOError:
            return False
        except OSError as error:
            self._lost(error_text(error))
            return False
        now_ns = monotonic_ns()
        try:
            if data:
                if self.first_byte_ns == ABSENT:
                    self.first_byte_ns = now_ns
                answer = parser.feed(data)
            else:
                answer = parser.eof()
                if answer is None:
                    self._lost(CLOSED_SILENTLY)
                    return False
        except HttpError as error:
            self.fail(Outcome.ERROR, str(error))
            return False
        if answer is None:
            return self._reading == AT_EDGES
        self._finish(answer, now_ns)
        return False

    def receive_more(self) -> None:
        """`receive` said that there may be more. After some reads others have their turn: asking anew tells again."""
        for _ in range(MOST_READS):
            if not self.receive():
                return
        self._owner.watch(self, self._reading)

    def _finish(self, answer: Answer, now_ns: int) -> None:
        if answer.keep_alive and self.state == AWAITING and not (self._ends or self._parser.started):
            self.state = IDLE
            self._idle_since_ns = now_ns
        else:
            # Closing, answered before all was sent, or with bytes behind the answer that nobody asked for.
            self.close()
        self._owner.on_answer(self, answer, now_ns)

    def on_event(self, events: int) -> None:
        """What the poller saw, other than bytes of an answer that is waited for (for that, `receive`)."""
        self._ends = self._ends or bool(events & select.EPOLLRDHUP)
        if self.state == IDLE:
            self.close()  # the server closed it, or speaks unasked
        elif self.state == CONNECTING:
            self._connected()
        elif events & ~select.EPOLLOUT:
            if self.receive():
                self.receive_more()
        else:
            self._send_rest()

    def fail(self, outcome: Outcome, text: str) -> None:
        """Give the request up and close."""
        self.close()
        self._owner.on_failure(self, outcome, text)

    def close(self) -> None:
        """Close the socket; the connection can be used again."""
        self.state = CLOSED
        if self._socket is not None:
            self._owner.unwatch(self)
            self._socket.close()
            self._socket = None
            self._unsent = None
            self._renew()

    def _renew(self) -> None:
        """Forget what the last socket's bytes have led to."""
        self._parser = self._new_parser()

    def _new_parser(self) -> AnswerParser:
        return AnswerParser(self._heads)

    def _connect(self) -> None:
        try:
            self._socket = sock = self._where.socket()
        except OSError as error:
            self.fail(Outcome.ERROR, f"cannot connect: {error_text(error)}")
            return
        self.fd = sock.fileno()
        self._ends = False
        self._reading = AT_EDGES if self.edge_triggered and isinstance(sock, RawSocket) else select.EPOLLIN
        self._recv = sock.recv
        self._put = sock.send
        self.state = CONNECTING
        self._owner.watch(self, select.EPOLLOUT)

    def _connected(self) -> None:
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if self._socket else errno.ENOTCONN
        if code:
            self.fail(Outcome.ERROR, f"cannot connect: {os.strerror(code)}")
            return
        if isinstance(self._socket, TlsSocket) and not self._secured(self._socket):
            return
        self._owner.watch(self, self._reading)
        self._send(monotonic_ns())

    def _secured(self, sock: TlsSocket) -> bool:
        """Go on with the handshake; True once it is done."""
        try:
            done = sock.handshake()
        except OSError as error:
            self.fail(Outcome.ERROR, f"cannot connect: TLS: {error_text(error)}")
            return False
        if not done:
            self._owner.watch(self, select.EPOLLIN | (select.EPOLLOUT if sock.wants_to_send else 0))
        return done

    def _send(self, now_ns: int) -> None:
        self.sent_ns = now_ns
        self.state = AWAITING
        self._write(self.request)

    def _write(self, data: bytes) -> None:
        """Send `data`, the rest of it when there is room."""
        try:
            sent = self._put(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            self._lost(error_text(error))
            return
        if sent < len(data):
            self.state = SENDING
            self._unsent = memoryview(data)[sent:]
            self._owner.watch(self, select.EPOLLIN | select.EPOLLOUT)

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
            self._owner.watch(self, self._reading)

    @property
    def _where(self) -> Address:
        if self._address is None:
            raise RuntimeError("there is nowhere to connect to")
        return self._address

    def _lost(self, text: str) -> None:
        """The connection broke before the answer was whole."""
        if self._may_resend and self.first_byte_ns == ABSENT:
            self._may_resend = False
            self.close()
            self._owner.on_resend()
            self._connect()
            return
        self.fail(Outcome.ERROR, text)


def error_text(error: OSError) -> str:
    """What the system, or OpenSSL, says went wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not believed: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return error.strerror or str(error)
