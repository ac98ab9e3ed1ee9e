"""Serves one client connection over HTTP/2 on the event loop: any number of unary calls at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from harness.wire.grpc.http2 import MAX_FRAME_BYTES, MAX_WINDOW, frame
from targets.servers.flow_control import PausingProtocol
from targets.servers.grpc_v2 import frames, responses
from targets.servers.grpc_v2.call import PREFIX_BYTES, GrpcCall
from targets.servers.grpc_v2.call_heads import HeadReader
from targets.servers.grpc_v2.frame_reader import FrameReader
from targets.servers.grpc_v2.frames import ConnectionFaultError, Http2Code
from targets.servers.grpc_v2.response_windows import ResponseWindows
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable

    from targets.servers.grpc_v2.call_heads import CallHead
    from targets.servers.grpc_v2.service import GrpcService

MAX_CONNECTIONS = 10_000
GREETING_LIMIT_TICKS = 30  # until the client's settings, or the rest of a frame, have arrived
SLOW_CALL_LIMIT_TICKS = 30  # from the headers of a call to the end of its message, and between parts of its response
IDLE_LIMIT_TICKS = 900


class CallConnection(PausingProtocol):
    """Takes frames (as the `FrameSink` of its reader) and writes responses (as the `CallChannel` of its calls)."""

    def __init__(self, service: GrpcService) -> None:
        self.service = service
        self.calls: dict[int, GrpcCall] = {}  # without a complete response, by stream
        self._reader = FrameReader(self)
        self._heads = HeadReader(service.resolve)
        self._windows = ResponseWindows()
        self._last_stream = 0
        self._first = True  # no response has been written
        self._cancelled = 0  # calls that the client gave up but that the model still has
        self._arriving_bytes = 0  # of incomplete messages
        self._idle_ticks = 0
        self._closing = False

    # The connection.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection; uvloop has set TCP_NODELAY."""
        self._transport = cast("asyncio.Transport", transport)
        self.service.connections.add(self)
        self._write(frames.OPENING)
        if len(self.service.connections) > MAX_CONNECTIONS:
            self.close(Http2Code.ENHANCE_YOUR_CALM, "too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the calls of a client that has disconnected."""
        del exc
        self._transport = None
        self._closing = True
        self.calls.clear()
        self.service.connections.discard(self)

    def eof_received(self) -> bool:
        """Close: a gRPC client that closes its sending side gives up its calls."""
        return False

    def close(self, code: Http2Code = Http2Code.NO_ERROR, why: str = "") -> None:
        """Tell the client which calls were begun, and close after the written bytes are sent."""
        if not self._closing:
            self._write(frames.goaway(self._last_stream, code, why))
        self._closing = True
        self.calls.clear()
        if self._transport is not None:
            self._transport.close()

    def announce_end(self) -> None:
        """Ask the client to make no more calls over this connection; those in transit are still taken."""
        if not self._closing:
            self._write(frames.goaway(MAX_WINDOW, Http2Code.NO_ERROR))

    def tick(self) -> None:
        """Close what has been idle or unfinished for too long. Called about once a second."""
        self._idle_ticks += 1
        reader = self._reader
        idle_limit = IDLE_LIMIT_TICKS if reader.settled and not reader.in_frame else GREETING_LIMIT_TICKS
        if self._closing and self._transport is not None and self._idle_ticks > GREETING_LIMIT_TICKS:
            self._transport.abort()  # the client does not read the last bytes
        elif self._idle_ticks > idle_limit and not self.calls:
            self.close()
        for call in list(self.calls.values()):
            call.age_ticks += 1
            if call.age_ticks > SLOW_CALL_LIMIT_TICKS:
                self._end_slow(call)

    def _end_slow(self, call: GrpcCall) -> None:
        """End a call whose message does not arrive, or whose response the client does not take."""
        if not call.half_closed:
            call.refuse(ProtocolError(408, "the request took too long to arrive"))
        elif call.unsent is not None:
            self._give_up(call, Http2Code.CANCEL)

    def _write(self, data: bytes) -> None:
        # uvloop sends what was written in one turn of the loop together.
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    # Frames.

    def data_received(self, data: bytes) -> None:
        """Read frames from the client."""
        if self._closing:
            return
        self._idle_ticks = 0
        reader = self._reader
        try:
            reader.feed(data)
        except ConnectionFaultError as fault:
            self.close(fault.code, str(fault))
        if reader.data_bytes >= frames.RENEW_WINDOW_BYTES:
            self._write(frames.window_update(reader.data_bytes))
            reader.data_bytes = 0

    def on_headers(self, stream: int, block: bytes, *, ends: bool) -> None:
        """Begin a call, or end one with trailers."""
        head = self._heads.read(block)  # also of a call that is refused: blocks change the header table
        if stream <= self._last_stream:
            if (call := self.calls.get(stream)) is not None:
                self._on_trailers(call, ends=ends)
            return
        self._last_stream = stream
        if head.malformed:
            self._write(frames.reset(stream, Http2Code.PROTOCOL_ERROR))
        elif len(self.calls) + self._cancelled >= frames.MAX_STREAMS:
            self._write(frames.reset(stream, Http2Code.REFUSED_STREAM))
        else:
            self._open(stream, head, ends=ends)

    def _open(self, stream: int, head: CallHead, *, ends: bool) -> None:
        call = self.calls[stream] = GrpcCall(self, stream, head)
        call.half_closed = ends
        if head.http_status != 200:
            self._finish(call, responses.not_grpc(stream, head.http_status, first=self._first))
        elif head.refusal is not None:
            call.refuse(head.refusal)
        else:
            self.service.set_deadline(call)
            if ends:
                self._complete(call)

    def _on_trailers(self, call: GrpcCall, *, ends: bool) -> None:
        if call.half_closed or not ends:
            self._give_up(call, Http2Code.PROTOCOL_ERROR)
        else:
            self._complete(call)

    def on_data(self, stream: int, data: bytes, *, ends: bool) -> None:
        """Add to the message of a call; with its end, answer it."""
        call = self.calls.get(stream)
        if call is None:
            if stream > self._last_stream or not stream & 1:
                raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "data of a call that has not begun")
        elif call.half_closed:
            self._give_up(call, Http2Code.STREAM_CLOSED)
        elif ends and call.body is None:
            self._complete(call, data)
        elif self._receive(call, data) and ends:
            self._complete(call)

    def _receive(self, call: GrpcCall, data: bytes) -> bool:
        max_bytes = self.service.max_bytes
        if self._arriving_bytes + len(data) > 2 * max_bytes:
            call.refuse(ProtocolError(413, "the unfinished messages of the connection are too large together"))
            return False
        self._arriving_bytes += len(data)
        try:
            call.receive(data, max_bytes)
        except ProtocolError as error:
            call.refuse(error)
            return False
        return True

    def _complete(self, call: GrpcCall, body: bytes | bytearray = b"") -> None:
        call.half_closed = True
        if call.body is not None:
            body, call.body = call.body, None
            self._arriving_bytes -= len(body)
        self.service.answer(call, body)

    def on_reset(self, stream: int) -> None:
        """Forget a call that the client gives up."""
        if stream == 0 or stream > self._last_stream:
            raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "the end of a call that has not begun")
        call = self.calls.get(stream)
        if call is not None:
            self._forget(call)

    def _give_up(self, call: GrpcCall, code: Http2Code) -> None:
        self._write(frames.reset(call.stream, code))
        self._forget(call)

    def _forget(self, call: GrpcCall) -> None:
        """Drop a call whose response nobody awaits; it counts until the model has done with it."""
        self._drop(call)
        if call.half_closed and call.unsent is None:
            call.cancelled = True
            self._cancelled += 1

    def _drop(self, call: GrpcCall) -> None:
        del self.calls[call.stream]
        self._windows.waiting.pop(call.stream, None)
        if call.body is not None:
            self._arriving_bytes -= len(call.body)
            call.body = None

    def on_settings(self, settings: Iterable[tuple[int, int]]) -> None:
        """Apply the client's settings."""
        for name, value in settings:
            self._windows.set(name, value)
        self._write(frames.SETTINGS_ACK)
        self._resume()

    def on_ping(self, payload: bytes) -> None:
        """Answer a ping."""
        self._write(frame(frames.PING, frames.ACK, 0, payload))

    def on_window(self, stream: int, more_bytes: int) -> None:
        """Write what waited for the window."""
        if stream > self._last_stream:
            raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "the window of a call that has not begun")
        if stream == 0:
            self._windows.grant(more_bytes)
        elif (call := self.calls.get(stream)) is not None and not self._windows.grant_call(call, more_bytes):
            self._give_up(call, Http2Code.FLOW_CONTROL_ERROR)
            return
        self._resume()

    # Responses.

    def send(self, call: GrpcCall, message: bytes, timing: bytes) -> None:
        """Write a response as far as the client's windows allow; the rest follows when they are renewed."""
        if self._is_gone(call):
            return
        stream = call.stream.to_bytes(4, "big")
        size = PREFIX_BYTES + len(message)
        if not self._first and size <= MAX_FRAME_BYTES and self._windows.take(call, size):
            del self.calls[call.stream]
            self._write(responses.whole(stream, message, timing))
            return
        self._write(responses.head(stream, first=self._first))
        self._first = False
        call.unsent, call.trailers = memoryview(responses.prefixed(message)), responses.trailers(stream, timing)
        call.age_ticks = 0
        self._windows.waiting[call.stream] = call
        self._resume()

    def send_error(self, call: GrpcCall, error: ProtocolError) -> None:
        """Write the status of a failed call and count it."""
        self.service.protocol.telemetry.count_error(error.status)
        if not self._is_gone(call):
            self._finish(call, responses.refusal(call.stream, error.status, str(error), first=self._first))

    def _finish(self, call: GrpcCall, response: bytes) -> None:
        """Write a whole response; a client that is still sending is asked to stop."""
        self._first = False
        self._write(response if call.half_closed else response + frames.reset(call.stream, Http2Code.NO_ERROR))
        self._drop(call)

    def _is_gone(self, call: GrpcCall) -> bool:
        if call.cancelled:
            call.cancelled = False
            self._cancelled -= 1
        return self.calls.get(call.stream) is not call

    def _resume(self) -> None:
        """Write what the windows allow of the responses that wait."""
        for call, part in self._windows.parts():
            call.age_ticks = 0
            data = frames.data_frames(call.stream, part)
            if call.unsent:
                self._write(data)
            else:
                self._write(data + call.trailers)
                self._drop(call)
