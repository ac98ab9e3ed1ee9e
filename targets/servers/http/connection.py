"""Serves one client connection on the event loop: responses leave in the order of the requests."""

from __future__ import annotations

import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, cast

from harness.clock import NS_PER_S, monotonic_ns
from targets.servers.flow_control import PausingProtocol
from targets.servers.http.exchange import HttpExchange
from targets.servers.http.head import broken
from targets.servers.http.reader import RequestReader
from targets.servers.http.responses import CLOSE, CONTINUE, OK, chunk, response, stream_head
from targets.servers.http.routes import INFERENCE
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    import asyncio

    from targets.servers.http.head import Head
    from targets.servers.http.service import HttpService

MAX_PIPELINED = 64  # pending responses of a connection above which it is not read
MAX_CONNECTIONS = 10_000
IDLE_LIMIT_NS = 75 * NS_PER_S
SLOW_REQUEST_LIMIT_NS = 30 * NS_PER_S  # from the first byte of a request to its last


class ServerConnection(PausingProtocol):
    """Reads requests (as the `RequestSink` of its reader) and writes responses (as their `ResponseChannel`)."""

    def __init__(self, service: HttpService) -> None:
        self.service = service
        self._reader: RequestReader[HttpExchange] = RequestReader(service.heads, self, service.max_body_bytes)
        self._pending: deque[HttpExchange] = deque()
        self._held = 0  # the number of pending exchanges that wait for a paced refusal
        self._ended = False  # the client has closed its sending side
        self._active = True  # since the last call of `close_if_stale`
        self._idle_since_ns = 0
        self._request_since_ns: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection; uvloop has set TCP_NODELAY."""
        self._transport = cast("asyncio.Transport", transport)
        self.service.connections.add(self)
        if len(self.service.connections) > MAX_CONNECTIONS:
            self.begin(broken(ProtocolError(503, "too many connections", b"retry-after: 1\r\n")))

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the pending responses of a client that has disconnected."""
        del exc
        self._transport = None
        self.service.connections.discard(self)
        self._abandon()

    def _abandon(self) -> None:
        """Drop all pending responses and notify their exchanges."""
        pending, self._pending = self._pending, deque()
        for exchange in pending:
            if exchange.on_gone is not None:
                exchange.on_gone()

    def eof_received(self) -> bool:
        """Keep the connection while responses are pending: a client that closed its sending side may still read."""
        self._ended = True
        if self._reader.in_request:
            self._request_since_ns = None
            self._reader.abort(ProtocolError(400, "the request is incomplete"))
        return bool(self._pending)

    def data_received(self, data: bytes) -> None:
        """Parse bytes from the client."""
        self._active = True
        reader = self._reader
        reader.feed(data)
        if reader.in_request:
            self._request_since_ns = self._request_since_ns or monotonic_ns()
        else:
            self._request_since_ns = None
        if len(self._pending) > MAX_PIPELINED or (self._held and reader.in_request):
            self.pause_writing()

    def begin(self, head: Head) -> HttpExchange | None:
        """Respond at once where no body is needed, and return None; else return the exchange."""
        exchange = HttpExchange(self, head)
        self._pending.append(exchange)
        error = head.refusal
        if error is None and head.action in INFERENCE:
            if self.service.backend.has_room():
                if head.expects_continue and len(self._pending) == 1 and self._transport is not None:
                    self._transport.write(CONTINUE)
                return exchange
            self._hold(exchange)
        elif error is not None:
            exchange.refuse(error)
        else:
            self._send_document(exchange)
        return None

    def complete(self, exchange: HttpExchange, body: bytes) -> None:
        """Pass a complete inference request to the backend."""
        try:
            if not self.service.backend.infer(exchange, body):
                self._hold(exchange)
        except ProtocolError as error:
            exchange.refuse(error)

    def _hold(self, exchange: HttpExchange) -> None:
        # While a client waits for its refusal, nothing more is read: neither the body nor its next request.
        self._held += 1
        exchange.held = True
        self.service.refusals.add(exchange)

    def fail(self, exchange: HttpExchange, error: ProtocolError) -> None:
        """Refuse the exchange and close: the rest of the connection cannot be parsed."""
        exchange.head = broken(error)
        exchange.refuse(error)

    def _send_document(self, exchange: HttpExchange) -> None:
        try:
            kind, body = self.service.protocol.document(exchange.head.action, ready=self.service.ready)
        except ProtocolError as error:
            exchange.refuse(error)
        else:
            exchange.respond(OK + b"content-type: %s\r\n" % kind, body)

    def send(self, exchange: HttpExchange, status_and_headers: bytes, body: bytes) -> None:
        """Write a whole response."""
        head = exchange.head
        connection = CLOSE if self._ended or self.service.draining else head.connection
        self.finish(exchange, response(status_and_headers, body, connection, wants_body=head.wants_body))

    def send_part(self, exchange: HttpExchange, part: bytes) -> bool:
        """Write a part of a response; False where an earlier response is pending."""
        if self._pending and self._pending[0] is not exchange:
            return False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(part)
        return True

    def send_error(self, exchange: HttpExchange, error: ProtocolError) -> None:
        """Write the protocol's error response and count it."""
        self.service.protocol.telemetry.count_error(error.status)
        self.send(exchange, *self.service.protocol.refusal(error))

    def finish(self, exchange: HttpExchange, rest: bytes) -> None:
        """Write the rest of a response, and complete responses that waited behind it, in the order of the requests."""
        exchange.payload = rest
        if exchange.held:
            self._held -= 1
            exchange.held = False
            if self._reader.in_request:
                self.resume_writing()
        self._write_complete_responses()

    def open_stream(self, exchange: HttpExchange, status_and_headers: bytes, data: bytes) -> None:
        """Begin a stream; where the connection closes after it, closing ends the stream instead of a last chunk."""
        exchange.chunked = not (self._ended or self.service.draining or exchange.head.connection)
        head = stream_head(status_and_headers, chunked=exchange.chunked)
        self.write_part(exchange, head + (chunk(data) if exchange.chunked and data else data))

    def write_part(self, exchange: HttpExchange, data: bytes) -> None:
        """Write `data` now, or after all earlier responses of the connection."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._pending and self._pending[0] is exchange:
            self._transport.write(data)
        else:
            exchange.written += data

    def close_stream(self, exchange: HttpExchange, data: bytes) -> None:
        """Write the last part, and complete responses that waited behind it."""
        self.finish(exchange, exchange.written + data)

    def _write_complete_responses(self) -> None:
        last = self._ended or self.service.draining
        pending = self._pending
        if len(pending) > MAX_PIPELINED:
            self.resume_writing()
        while pending and (payload := pending[0].payload) is not None:
            first = pending.popleft()
            transport = self._transport
            if transport is not None and not transport.is_closing():
                transport.write(payload)
                if first.closes:
                    transport.close()
        if pending and pending[0].written and self._transport is not None:
            self._transport.write(pending[0].written)  # a stream that began while an earlier response was pending
            pending[0].written = b""
        if last and not pending:
            self.close()

    def reset(self) -> None:
        """Drop all pending responses and abort the connection (TCP RST)."""
        self._abandon()
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()

    def forget(self, exchange: HttpExchange) -> None:
        """Drop an exchange without a response; its client has to time out."""
        if exchange in self._pending:
            self._pending.remove(exchange)
        if self._ended and not self._pending:
            self.close()

    def close(self) -> None:
        """Close after the written bytes are sent."""
        if self._transport is not None:
            self._transport.close()

    @property
    def busy(self) -> bool:
        """Whether a response is pending or a request is incomplete."""
        return bool(self._pending) or self._reader.in_request

    def close_if_stale(self, now_ns: int) -> None:
        """Send 408 to a slow request; close an idle connection."""
        if self._request_since_ns is not None:
            if now_ns - self._request_since_ns > SLOW_REQUEST_LIMIT_NS:
                self._request_since_ns = None
                self._reader.abort(ProtocolError(408, "the request took too long to arrive"))
        elif self._active or self._pending:
            self._active = False
            self._idle_since_ns = now_ns
        elif now_ns - self._idle_since_ns > IDLE_LIMIT_NS:
            self.close()
