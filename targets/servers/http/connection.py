"""One client connection on the event loop: requests in, answers out in the order of the requests."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Protocol, cast

from harness.clock import NS_PER_S, monotonic_ns
from targets.servers.http.exchange import Exchange
from targets.servers.http.head import broken
from targets.servers.http.reader import RequestReader
from targets.servers.http.refusals import PacedRefusals
from targets.servers.http.responses import CLOSE, CONTINUE, OK, chunk, response, stream_head
from targets.servers.http.routes import INFERENCE
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    from targets.servers.backend import Backend
    from targets.servers.http.head import Head, HeadParser
    from targets.servers.http.routes import Action

MAX_PIPELINED = 64  # answers owed to one connection before it is no longer read
MAX_CONNECTIONS = 10_000
IDLE_LIMIT_NS = 75 * NS_PER_S
SLOW_REQUEST_LIMIT_NS = 30 * NS_PER_S  # from a request's first byte to its last


class Telemetry(Protocol):
    """What counts, as far as connections know."""

    def refused(self, status: int) -> None:
        """Count one request that was answered with an error status."""

    def publish(self) -> None:
        """Let the other replicas see the counts."""


class ProtocolFront(Protocol):
    """A protocol, as far as connections know it."""

    @property
    def telemetry(self) -> Telemetry:
        """Where refusals are counted."""

    def document(self, action: Action, *, ready: bool) -> tuple[bytes, bytes]:
        """(content type, body) of a path that is no inference. May raise ProtocolError."""

    def refusal(self, error: ProtocolError) -> tuple[bytes, bytes]:
        """(status line and headers, body) of an error."""


class HttpService:
    """What the connections of one server share."""

    def __init__(self, protocol: ProtocolFront, backend: Backend, heads: HeadParser, max_body_bytes: int) -> None:
        self.protocol = protocol
        self.backend = backend
        self.heads = heads
        self.max_body_bytes = max_body_bytes
        self.connections: set[Connection] = set()
        self.refusals = PacedRefusals()
        self.draining = False

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Called once, before the first request."""
        self.refusals.start(loop, self.backend.rest)
        self.backend.start(loop)

    @property
    def ready(self) -> bool:
        """What health checks are told."""
        return not self.draining and self.backend.able()

    def connect(self) -> Connection:
        """A protocol object for the event loop."""
        return Connection(self)

    def drain(self) -> None:
        """From now on every answer closes its connection."""
        self.draining = True

    def tick(self) -> None:
        """Close connections that are idle, or too slow with a request, for too long. Called every second or so."""
        self.protocol.telemetry.publish()
        now_ns = monotonic_ns()
        for connection in list(self.connections):
            connection.close_if_stale(now_ns)


class Connection(asyncio.Protocol):
    """Implements `RequestSink` for its reader."""

    def __init__(self, service: HttpService) -> None:
        self.service = service
        self._reader: RequestReader[Exchange] = RequestReader(service.heads, self, service.max_body_bytes)
        self._owed: deque[Exchange] = deque()
        self._held = 0  # of them, how many wait to be refused
        self._transport: asyncio.Transport | None = None
        self._ended = False  # the client sends no more
        self._active = True  # since the last look of `close_if_stale`
        self._idle_since_ns = 0
        self._request_since_ns: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come; uvloop has set TCP_NODELAY."""
        self._transport = cast("asyncio.Transport", transport)
        self.service.connections.add(self)
        if len(self.service.connections) > MAX_CONNECTIONS:
            self.begin(broken(ProtocolError(503, "too many connections", b"retry-after: 1\r\n")))

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone; answers still owed to it are dropped, computed or not."""
        del exc
        self._transport = None
        self.service.connections.discard(self)
        self._abandon()

    def _abandon(self) -> None:
        """Nobody waits for what is owed any more."""
        owed, self._owed = self._owed, deque()
        for exchange in owed:
            if exchange.on_gone is not None:
                exchange.on_gone()

    def eof_received(self) -> bool:
        """The client sends no more, but may still read: the connection stays while answers are owed."""
        self._ended = True
        if self._reader.in_request:
            self._request_since_ns = None
            self._reader.abort(ProtocolError(400, "the request ends before it has come whole"))
        return bool(self._owed)

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self._active = True
        reader = self._reader
        reader.feed(data)
        if reader.in_request:
            self._request_since_ns = self._request_since_ns or monotonic_ns()
        else:
            self._request_since_ns = None
        if len(self._owed) > MAX_PIPELINED or (self._held and reader.in_request):
            self.pause_writing()

    def pause_writing(self) -> None:
        """The client doesn't read its answers: read no more of its requests."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def begin(self, head: Head) -> Exchange | None:
        """Answer what needs no body; None then."""
        exchange = Exchange(self, head)
        self._owed.append(exchange)
        error = head.refusal
        if error is None and head.action in INFERENCE:
            if self.service.backend.has_room():
                if head.expects_continue and len(self._owed) == 1 and self._transport is not None:
                    self._transport.write(CONTINUE)
                return exchange
            self._hold(exchange)
        elif error is not None:
            exchange.refuse(error)
        else:
            self._answer_document(exchange)
        return None

    def complete(self, exchange: Exchange, body: bytes) -> None:
        """An inference request has come whole."""
        try:
            if not self.service.backend.infer(exchange, body):
                self._hold(exchange)
        except ProtocolError as error:
            exchange.refuse(error)

    def _hold(self, exchange: Exchange) -> None:
        # Nothing more is read of a client that waits for its refusal: neither its body nor its next request.
        self._held += 1
        exchange.held = True
        self.service.refusals.add(exchange)

    def fail(self, exchange: Exchange, error: ProtocolError) -> None:
        """The rest of the connection cannot be understood."""
        exchange.head = broken(error)
        exchange.refuse(error)

    def _answer_document(self, exchange: Exchange) -> None:
        try:
            kind, body = self.service.protocol.document(exchange.head.action, ready=self.service.ready)
        except ProtocolError as error:
            exchange.refuse(error)
        else:
            exchange.respond(OK + b"content-type: %s\r\n" % kind, body)

    def send(self, exchange: Exchange, status_and_headers: bytes, body: bytes) -> None:
        """Write the answer."""
        last = self._ended or self.service.draining
        self.finish(exchange, response(status_and_headers, body, CLOSE if last else exchange.head.connection))

    def send_part(self, exchange: Exchange, part: bytes) -> bool:
        """Write some of an answer, if it is the next that is owed."""
        if self._owed and self._owed[0] is not exchange:
            return False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(part)
        return True

    def send_error(self, exchange: Exchange, error: ProtocolError) -> None:
        """Write the protocol's error response and count it."""
        self.service.protocol.telemetry.refused(error.status)
        self.send(exchange, *self.service.protocol.refusal(error))

    def finish(self, exchange: Exchange, rest: bytes) -> None:
        """Write the (rest of the) answer, and those that waited behind it, in the order of the requests."""
        exchange.payload = rest
        if exchange.held:
            self._held -= 1
            exchange.held = False
            if self._reader.in_request:
                self.resume_writing()
        self._write_whole_answers()

    def open_stream(self, exchange: Exchange, status_and_headers: bytes, data: bytes) -> None:
        """Begin a stream; where the connection cannot go on behind it, its end is that of the connection."""
        exchange.chunked = not (self._ended or self.service.draining or exchange.head.connection)
        head = stream_head(status_and_headers, chunked=exchange.chunked)
        self.write_part(exchange, head + (chunk(data) if exchange.chunked and data else data))

    def write_part(self, exchange: Exchange, data: bytes) -> None:
        """Write it now, or once all earlier requests of the connection are answered."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._owed and self._owed[0] is exchange:
            self._transport.write(data)
        else:
            exchange.written += data

    def close_stream(self, exchange: Exchange, data: bytes) -> None:
        """Write the last part, and what waited behind it."""
        self.finish(exchange, exchange.written + data)

    def _write_whole_answers(self) -> None:
        last = self._ended or self.service.draining
        owed = self._owed
        if len(owed) > MAX_PIPELINED:
            self.resume_writing()
        while owed and (payload := owed[0].payload) is not None:
            first = owed.popleft()
            transport = self._transport
            if transport is not None and not transport.is_closing():
                transport.write(payload)
                if first.closes:
                    transport.close()
        if owed and owed[0].written and self._transport is not None:
            self._transport.write(owed[0].written)  # a stream that has begun behind the answer
            owed[0].written = b""
        if last and not owed:
            self.close()

    def reset(self) -> None:
        """Drop everything and break the connection."""
        self._abandon()
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def forget(self, exchange: Exchange) -> None:
        """The exchange will never be answered; the client finds out by itself."""
        if exchange in self._owed:
            self._owed.remove(exchange)
        if self._ended and not self._owed:
            self.close()

    def close(self) -> None:
        """Close once what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    @property
    def busy(self) -> bool:
        """Whether an answer is owed or a request is coming in."""
        return bool(self._owed) or self._reader.in_request

    def close_if_stale(self, now_ns: int) -> None:
        """Say 408 to a slow request, close an idle connection."""
        if self._request_since_ns is not None:
            if now_ns - self._request_since_ns > SLOW_REQUEST_LIMIT_NS:
                self._request_since_ns = None
                self._reader.abort(ProtocolError(408, "the request took too long to come"))
        elif self._active or self._owed:
            self._active = False
            self._idle_since_ns = now_ns
        elif now_ns - self._idle_since_ns > IDLE_LIMIT_NS:
            self.close()
