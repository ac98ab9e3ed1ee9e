"""A connection for gRPC: the same socket and the same states, with HTTP/2 in place of HTTP/1.1."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.clock import monotonic_ns
from harness.measure.load.connections.connection import (
    AWAITING,
    CHUNK_BYTES,
    CLOSED_SILENTLY,
    IDLE,
    Connection,
)
from harness.record.rows import ABSENT, Outcome
from harness.wire.grpc.call_status import Code
from harness.wire.grpc.header_blocks import Http2Error
from harness.wire.grpc.http2 import NotTakenError, UnaryCalls
from harness.wire.http.llhttp_parser import HttpResponse

if TYPE_CHECKING:
    from harness.measure.load.connections.connection import ConnectionListener
    from harness.measure.load.connections.server_address import ServerAddress
    from harness.wire.grpc.header_blocks import HeaderBlocks
    from harness.wire.grpc.http2 import UnaryResponse

# A row's status is a number of HTTP: google.rpc.Code by its documented HTTP equivalent.
HTTP_STATUS = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}
OTHER_STATUS = 500


class GrpcConnection(Connection):
    """Carries one unary call at a time."""

    edge_triggered = False
    __slots__ = ("_blocks", "_calls")

    def __init__(self, address: ServerAddress, listener: ConnectionListener, blocks: HeaderBlocks, user: int) -> None:
        self._blocks = blocks
        super().__init__(address, listener, {}, user)

    def _renew(self) -> None:
        self._calls = UnaryCalls(self._blocks)

    def _send(self, now_ns: int) -> None:
        calls = self._calls
        self.sent_ns = now_ns
        self.state = AWAITING
        data = calls.call(self.request)
        if calls.output:
            data = calls.output + data
            calls.output = b""
        self._write(data)

    def receive(self) -> bool:
        """Read from the socket, which is readable. Always returns False: there is no more to read."""
        calls = self._calls
        data = self.read()
        if data is None:
            return False
        now_ns = monotonic_ns()
        try:
            reply = calls.feed(data)
        except NotTakenError as error:
            self._may_resend = True
            self._lost(str(error))
            return False
        except Http2Error as error:
            self.fail(Outcome.ERROR, str(error))
            return False
        if self.first_byte_ns == ABSENT and (calls.answering or reply is not None):
            self.first_byte_ns = now_ns
        if reply is not None:
            self._finish(_response(reply, keep_alive=not calls.closing), now_ns)
        elif not data:
            self._lost(CLOSED_SILENTLY)
        if calls.output and calls is self._calls:  # unless the next call has sent it already
            self._write_output()
        return False

    def _finish(self, response: HttpResponse, now_ns: int) -> None:
        if response.keep_alive and self.state == AWAITING:
            self.state = IDLE
            self._idle_since_ns = now_ns
        else:
            self.close()
        self._listener.on_response(self, response, now_ns)

    def on_event(self, events: int) -> None:
        """Handle an event other than bytes of a response: an idle server may still ping or close."""
        if self.state == IDLE:
            self._listen()
        else:
            super().on_event(events)

    def _listen(self) -> None:
        try:
            data = self._recv(CHUNK_BYTES)
            self._calls.feed(data)
        except BlockingIOError:
            return
        except (OSError, Http2Error):
            data = b""
        if not data or self._calls.closing:
            self.close()
        elif self._calls.output:
            self._write_output()

    def _write_output(self) -> None:
        """Send the frames of HTTP/2 itself: acknowledgements, window updates, more of a large message."""
        output, self._calls.output = self._calls.output, b""
        if self._unsent:
            self._unsent = memoryview(bytes(self._unsent) + output)
        elif self.state == IDLE:
            self._write_idle(output)
        else:
            self._write(output)

    def _write_idle(self, output: bytes) -> None:
        try:
            sent = self._put(output)
        except OSError:
            sent = 0
        if sent < len(output):
            self.close()  # the server does not read what it asked for


def _response(reply: UnaryResponse, *, keep_alive: bool) -> HttpResponse:
    code = Code(reply.code)
    body = reply.message if code is Code.OK else f"{code.name}: {reply.detail}".encode()
    return HttpResponse(HTTP_STATUS.get(code, OTHER_STATUS), body, reply.timing, keep_alive, reply.size_bytes)
