"""Serves one client connection over HTTP/2 on the event loop: any number of unary calls at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from harness.wire.grpc.http2 import MAX_FRAME_BYTES, MAX_WINDOW, frame
from targets.servers.grpc_v2 import frames, responses
from targets.servers.grpc_v2.call import PREFIX_BYTES, GrpcCall
from targets.servers.grpc_v2.call_heads import HeadReader
from targets.servers.grpc_v2.frames import ConnectionFaultError, Http2Code
from targets.servers.grpc_v2.response_windows import ResponseWindows
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    from targets.servers.grpc_v2.call_heads import CallHead
    from targets.servers.grpc_v2.service import GrpcService

MAX_CONNECTIONS = 10_000
GREETING_LIMIT_TICKS = 30
SLOW_CALL_LIMIT_TICKS = 30  # from the headers of a call to the end of its message
IDLE_LIMIT_TICKS = 900


class CallConnection(asyncio.Protocol):
    """Reads frames, and writes responses (as the `CallChannel` of its calls)."""

    def __init__(self, service: GrpcService) -> None:
        self.service = service
        self.calls: dict[int, GrpcCall] = {}  # without a complete response, by stream
        self._heads = HeadReader(service.resolve)
        self._windows = ResponseWindows()
        self._transport: asyncio.Transport | None = None
        self._held = b""  # of an unfinished frame
        self._preface = frames.PREFACE  # what of it has not arrived
        self._settled = False  # the client's settings have arrived
        self._block: bytearray | None = None  # of headers that go on in the next frame
        self._block_of = (0, 0)  # its stream and flags
        self._last_stream = 0
        self._first = True  # no response has been written
        self._cancelled = 0  # calls that the client gave up but that the model still has
        self._received_bytes = 0  # since the client's window was renewed
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

    def pause_writing(self) -> None:
        """Stop reading calls of a client that does not read its responses."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Resume reading calls."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

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
        idle_limit = IDLE_LIMIT_TICKS if self._settled and not self._held else GREETING_LIMIT_TICKS
        if self._closing and self._transport is not None and self._idle_ticks > GREETING_LIMIT_TICKS:
            self._transport.abort()  # the client does not read the last bytes
        elif self._idle_ticks > idle_limit and not self.calls:
            self.close()
        for call in list(self.calls.values()):
            call.age_ticks += 1
            if not call.half_closed and call.age_ticks > SLOW_CALL_LIMIT_TICKS:
                call.refuse(ProtocolError(408, "the request took too long to arrive"))

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
        try:
            if self._preface:
                data = self._after_preface(data)
            self._read(self._held + data if self._held else data)
        except ConnectionFaultError as fault:
            self._held = b""
            self.close(fault.code, str(fault))

    def _after_preface(self, data: bytes) -> bytes:
        size = min(len(self._preface), len(data))
        if data[:size] != self._preface[:size]:
            raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "this port speaks gRPC over HTTP/2 only")
        self._preface = self._preface[size:]
        return data[size:]

    def _read(self, data: bytes) -> None:
        at, size = 0, len(data)
        while size - at >= 9:
            high, low, kind, flags, stream = frames.FRAME_HEAD.unpack_from(data, at)
            length = high << 8 | low
            if length > MAX_FRAME_BYTES:
                raise ConnectionFaultError(Http2Code.FRAME_SIZE_ERROR, "a frame is too large")
            start = at + 9
            at = start + length
            if at > size:
                at = start - 9
                break
            stream &= MAX_WINDOW
            payload = data[start:at]
            if self._block is not None and (kind != frames.CONTINUATION or stream != self._block_of[0]):
                raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "another frame among the headers of a call")
            if kind == frames.DATA:
                self._on_data(flags, stream, payload)
            elif kind == frames.HEADERS:
                self._on_headers(flags, stream, payload)
            else:
                handle = _HANDLERS.get(kind)
                if handle is not None:
                    handle(self, flags, stream, payload)
            if self._closing:
                return
        self._held = data[at:]

    def _on_headers(self, flags: int, stream: int, payload: bytes) -> None:
        if not stream & 1 or not self._settled:
            raise ConnectionFaultError(
                Http2Code.PROTOCOL_ERROR, "a call with the number of no call, or before the settings"
            )
        if flags & (frames.PADDED | frames.HAS_PRIORITY):
            payload = frames.block_part(flags, payload)
        if flags & frames.END_HEADERS:
            self._begin(stream, flags, payload)
        else:
            self._block, self._block_of = bytearray(payload), (stream, flags)

    def _on_continuation(self, flags: int, stream: int, payload: bytes) -> None:
        if self._block is None:
            raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "headers go on that have not begun")
        self._block += payload
        if len(self._block) > frames.MAX_HEADER_BYTES:
            raise ConnectionFaultError(Http2Code.ENHANCE_YOUR_CALM, "the headers are too long")
        if flags & frames.END_HEADERS:
            block, self._block = bytes(self._block), None
            self._begin(stream, self._block_of[1], block)

    def _begin(self, stream: int, flags: int, block: bytes) -> None:
        head = self._heads.read(block)  # also of a call that is refused: blocks change the header table
        ends = flags & frames.END_STREAM
        if stream <= self._last_stream:
            self._on_trailers(stream, ends=bool(ends))
            return
        self._last_stream = stream
        if head.malformed:
            self._write(frames.reset(stream, Http2Code.PROTOCOL_ERROR))
        elif len(self.calls) + self._cancelled >= frames.MAX_STREAMS:
            self._write(frames.reset(stream, Http2Code.REFUSED_STREAM))
        else:
            self._open(stream, head, ends=bool(ends))

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

    def _on_trailers(self, stream: int, *, ends: bool) -> None:
        call = self.calls.get(stream)
        if call is None:
            return  # of a call that was refused before its end
        if call.half_closed or not ends:
            self._give_up(call, Http2Code.PROTOCOL_ERROR)
        else:
            self._complete(call)

    def _on_data(self, flags: int, stream: int, payload: bytes) -> None:
        self._received_bytes += len(payload)
        if self._received_bytes >= frames.RENEW_WINDOW_BYTES:
            self._write(frames.window_update(self._received_bytes))
            self._received_bytes = 0
        call = self.calls.get(stream)
        if call is None:
            if stream > self._last_stream or not stream & 1:
                raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "data of a call that has not begun")
            return
        if flags & frames.PADDED:
            payload = frames.unpadded(flags, payload)
        if call.half_closed:
            self._give_up(call, Http2Code.STREAM_CLOSED)
            return
        if flags & frames.END_STREAM and call.body is None:
            self._complete(call, payload)
            return
        try:
            self._receive(call, payload)
        except ProtocolError as error:
            call.refuse(error)
        else:
            if flags & frames.END_STREAM:
                self._complete(call)

    def _receive(self, call: GrpcCall, data: bytes) -> None:
        max_bytes = self.service.max_bytes
        self._arriving_bytes += len(data)
        call.receive(data, max_bytes)
        if self._arriving_bytes > 2 * max_bytes:
            raise ProtocolError(413, "the unfinished messages of the connection are too large together")

    def _complete(self, call: GrpcCall, body: bytes | bytearray = b"") -> None:
        call.half_closed = True
        if call.body is not None:
            body, call.body = call.body, None
            self._arriving_bytes -= len(body)
        self.service.answer(call, body)

    def _on_reset(self, flags: int, stream: int, payload: bytes) -> None:
        del flags
        if len(payload) != 4:
            raise ConnectionFaultError(Http2Code.FRAME_SIZE_ERROR, "RST_STREAM has 4 bytes")
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

    def _on_settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream or len(payload) % frames.SETTING.size or (flags & frames.ACK and payload):
            raise ConnectionFaultError(Http2Code.FRAME_SIZE_ERROR, "malformed settings")
        if flags & frames.ACK:
            return
        self._settled = True
        for name, value in frames.SETTING.iter_unpack(payload):
            self._windows.set(name, value)
        self._write(frames.SETTINGS_ACK)
        self._resume()

    def _on_ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream or len(payload) != 8:
            raise ConnectionFaultError(Http2Code.FRAME_SIZE_ERROR, "PING has 8 bytes")
        if not flags & frames.ACK:
            self._write(frame(frames.PING, frames.ACK, 0, payload))

    def _on_window_update(self, flags: int, stream: int, payload: bytes) -> None:
        del flags
        if stream > self._last_stream or len(payload) != 4:
            raise ConnectionFaultError(
                Http2Code.PROTOCOL_ERROR, "a malformed window, or one of a call that has not begun"
            )
        more_bytes = int.from_bytes(payload, "big") & MAX_WINDOW
        if stream == 0:
            self._windows.grant(more_bytes)
        elif (call := self.calls.get(stream)) is not None and not self._windows.grant_call(call, more_bytes):
            self._give_up(call, Http2Code.FLOW_CONTROL_ERROR)
            return
        self._resume()

    def _on_push(self, flags: int, stream: int, payload: bytes) -> None:
        del flags, stream, payload
        raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "a client cannot push")

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
            data = frames.data_frames(call.stream, part)
            if call.unsent:
                self._write(data)
            else:
                self._write(data + call.trailers)
                self._drop(call)


_HANDLERS = {
    frames.RST_STREAM: CallConnection._on_reset,  # noqa: SLF001  (its own methods, by the type of the frame)
    frames.SETTINGS: CallConnection._on_settings,  # noqa: SLF001
    frames.PUSH_PROMISE: CallConnection._on_push,  # noqa: SLF001
    frames.PING: CallConnection._on_ping,  # noqa: SLF001
    frames.WINDOW_UPDATE: CallConnection._on_window_update,  # noqa: SLF001
    frames.CONTINUATION: CallConnection._on_continuation,  # noqa: SLF001
}
