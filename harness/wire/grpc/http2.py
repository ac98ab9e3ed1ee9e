"""The part of HTTP/2 that unary gRPC calls need, for clients and without I/O: one call at a time over a connection.

The library `h2` takes 100 microseconds for such a call, several times what the rest of the call costs the load process.
Therefore this module reads and writes the frames (RFC 9113) itself, and only those that a unary call needs.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from harness.wire.grpc.call_status import Code, not_grpc, of_reset, status_in, without_status
from harness.wire.grpc.header_blocks import MAX_BLOCK_BYTES, Http2Error, encode_block

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.wire.grpc.header_blocks import HeaderBlocks

MAX_FRAME_BYTES = 16_384  # what every peer takes, and the most that we allow it to send
MAX_MESSAGE_BYTES = 256 << 20
MAX_STREAM = 2**31 - 3
MAX_WINDOW = 2**31 - 1
DEFAULT_WINDOW = 65_535
RENEW_WINDOW_BYTES = 2**30

_FRAME = struct.Struct(">HBBBI")  # length (16 bits and 8 bits), type, flags, stream
_SETTING = struct.Struct(">HI")
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PUSH_PROMISE, _PING, _GOAWAY, _WINDOW_UPDATE, _CONTINUATION = (
    *(0, 1, 3, 4, 5, 6, 7, 8, 9),
)
_END_STREAM = _ACK = 0x1
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _INITIAL_WINDOW_SIZE = 1, 2, 4


class NotTakenError(Http2Error):
    """The server has not begun with the call, so it may be made again (RFC 9113, section 6.8)."""


class UnaryResponse(NamedTuple):
    """The response to one call, or its failure."""

    code: int  # of `Code`
    message: bytes  # serialised; empty where the call failed
    detail: str  # the server's text about a failure
    timing: bytes  # the metadata `server-timing`; empty where there is none
    size_bytes: int  # on the wire, all frames of the call


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """The bytes of one frame."""
    return _FRAME.pack(len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def unary_request(headers: Iterable[tuple[str, str]], message: bytes) -> bytes:
    """A call as `UnaryCalls.call` takes it: the frame of its headers, without its stream, then the message."""
    return frame(_HEADERS, _END_HEADERS, 0, encode_block(headers)) + b"\0" + len(message).to_bytes(4, "big") + message


_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_OUR_SETTINGS = ((_HEADER_TABLE_SIZE, 0), (_ENABLE_PUSH, 0), (_INITIAL_WINDOW_SIZE, MAX_WINDOW))
OPENING = b"".join(
    (
        _PREFACE,
        frame(_SETTINGS, 0, 0, b"".join(_SETTING.pack(*setting) for setting in _OUR_SETTINGS)),
        frame(_WINDOW_UPDATE, 0, 0, (MAX_WINDOW - DEFAULT_WINDOW).to_bytes(4, "big")),
    )
)


class UnaryCalls:
    """The calls over one connection, one after the other.

    `call` and `feed` may leave bytes in `output`, which must be sent too. `answering` says whether the server has
    begun to respond; `closing`, that no further call may be made.
    """

    __slots__ = (
        *("_block", "_blocks", "_call_window", "_code", "_detail", "_headers_seen", "_held", "_initial_window"),
        *("_kind", "_message", "_open", "_received_bytes", "_size", "_stream", "_timing", "_unsent", "_window"),
        *("answering", "closing", "output"),
    )

    def __init__(self, blocks: HeaderBlocks) -> None:
        self.answering = False
        self.closing = False
        self.output = b""
        self._blocks = blocks
        self._held = b""  # of an unfinished frame
        self._stream = -1
        self._open = False
        self._window = self._initial_window = DEFAULT_WINDOW  # what the server will take
        self._call_window = 0
        self._received_bytes = 0  # since we last opened the server's window
        self._unsent: memoryview = memoryview(b"")
        self._block: list[bytes] | None = None
        self._message: list[bytes] = []
        self._size = 0
        self._timing = b""
        self._headers_seen = False
        self._kind = b""  # what `content-type` of the response declares

    def call(self, request: bytes) -> bytes:
        """The bytes to send for `request`, as far as the server's windows allow; the rest is in `output` later."""
        opening = OPENING if self._stream < 0 else b""
        self._stream += 2
        self._open = True
        self.answering = self._headers_seen = False
        self.closing = self.closing or self._stream >= MAX_STREAM
        self._message = []
        self._size = 0
        self._timing = b""
        self._call_window = self._initial_window
        stream = self._stream.to_bytes(4, "big")
        end = 9 + int.from_bytes(request[:3], "big")
        size = len(request) - end
        head = b"%b%b%b%b" % (opening, request[:5], stream, request[9:end])
        if size > MAX_FRAME_BYTES or size > self._window or size > self._call_window:
            self._unsent = memoryview(request)[end:]
            return head + self._data_frames()
        self._window -= size
        return b"%b%b\0\x01%b%b" % (head, size.to_bytes(3, "big"), stream, request[end:])

    def feed(self, data: bytes) -> UnaryResponse | None:
        """Read the next bytes; returns the response once it is complete. Raises Http2Error."""
        if self._held:
            data = self._held + data
            self._held = b""
        response = None
        at, size = 0, len(data)
        while size - at >= 9:
            high, low, kind, flags, stream = _FRAME.unpack_from(data, at)
            length = high << 8 | low
            stop = at + 9 + length
            if stop > size and length <= MAX_FRAME_BYTES:
                break
            try:
                response = self._on_frame(kind, flags, stream, data[at + 9 : stop], length) or response
            except Http2Error:
                if response is None:
                    raise
                self.closing = True  # the call has ended well; nothing more can come over this connection
                return response
            at = stop
        self._held = data[at:]
        return response

    def _on_frame(self, kind: int, flags: int, stream: int, payload: bytes, length: int) -> UnaryResponse | None:
        if length > MAX_FRAME_BYTES:
            raise Http2Error(f"not HTTP/2, or a frame of {length} bytes")
        if kind == _DATA:
            self._renew_window(length)
        if kind in _ON_STREAM:
            if stream == self._stream and self._open:
                self._size += 9 + length
                return _ON_STREAM[kind](self, flags, payload)
        elif kind in _ON_CONNECTION:
            _ON_CONNECTION[kind](self, flags, stream, payload)
        return None

    # Frames of the call.

    def _on_data(self, flags: int, payload: bytes) -> UnaryResponse | None:
        self.answering = True
        self._message.append(_unpadded(flags, payload))
        if self._size > MAX_MESSAGE_BYTES:
            raise Http2Error(f"the response is longer than {MAX_MESSAGE_BYTES} bytes")
        return self._end(*without_status(self._kind, b"".join(self._message))) if flags & _END_STREAM else None

    def _on_headers(self, flags: int, payload: bytes) -> UnaryResponse | None:
        self.answering = True
        payload = _unpadded(flags, payload)
        self._block = [payload[5:] if flags & _PRIORITY else payload, b"\x01" if flags & _END_STREAM else b""]
        return self._end_headers() if flags & _END_HEADERS else None

    def _on_continuation(self, flags: int, payload: bytes) -> UnaryResponse | None:
        if self._block is None:
            raise Http2Error("headers go on that have not begun")
        self._block.insert(-1, payload)
        if sum(map(len, self._block)) > MAX_BLOCK_BYTES:
            raise Http2Error(f"the headers are longer than {MAX_BLOCK_BYTES} bytes")
        return self._end_headers() if flags & _END_HEADERS else None

    def _end_headers(self) -> UnaryResponse | None:
        *parts, last = self._block or [b""]
        self._block = None
        headers, timing = self._blocks.read(parts[0] if len(parts) == 1 else b"".join(parts))
        self._timing = timing or self._timing
        if not self._headers_seen:
            status = headers.get(b":status", b"")
            if status.startswith(b"1"):
                return None  # informational; the response itself is still to come
            self._headers_seen = True
            self._kind = headers.get(b"content-type", b"")
            if status != b"200":
                return self._end(*not_grpc(status))
        return self._end(*status_in(headers)) if last else None

    def _on_reset(self, flags: int, payload: bytes) -> UnaryResponse | None:
        del flags
        return self._end(*of_reset(int.from_bytes(payload, "big")))

    def _end(self, code: int, detail: str) -> UnaryResponse:
        self._open = False
        if self._unsent:
            self._unsent = memoryview(b"")
            self.closing = True  # the rest of the request will never be sent
        message = b""
        if code == Code.OK:
            whole = b"".join(self._message)
            message = whole[5:]
            if len(whole) < 5 or whole[0] or len(message) != int.from_bytes(whole[1:5], "big"):
                code, detail, message = Code.INTERNAL, "the response is not one plain message", b""
        self._message = []
        return UnaryResponse(code, message, detail, self._timing, self._size)

    # Frames of the connection.

    def _on_settings(self, flags: int, stream: int, payload: bytes) -> None:
        del stream
        if flags & _ACK:
            return
        if len(payload) % _SETTING.size:
            raise Http2Error("malformed settings")
        for name, value in _SETTING.iter_unpack(payload):
            if name == _INITIAL_WINDOW_SIZE:
                self._call_window += value - self._initial_window
                self._initial_window = value
        self.output += frame(_SETTINGS, _ACK, 0, b"")
        self.output += self._data_frames()

    def _on_ping(self, flags: int, stream: int, payload: bytes) -> None:
        del stream
        if not flags & _ACK:
            self.output += frame(_PING, _ACK, 0, payload)

    def _on_window(self, flags: int, stream: int, payload: bytes) -> None:
        del flags
        more = int.from_bytes(payload, "big") & MAX_WINDOW
        if stream == 0:
            self._window += more
        elif stream == self._stream:
            self._call_window += more
        self.output += self._data_frames()

    def _on_goaway(self, flags: int, stream: int, payload: bytes) -> None:
        del flags, stream
        self.closing = True
        last, reason = int.from_bytes(payload[:4], "big") & MAX_WINDOW, int.from_bytes(payload[4:8], "big")
        if self._open and last < self._stream:
            raise NotTakenError(f"the server gave the connection up (HTTP/2 error {reason})")

    def _on_push(self, flags: int, stream: int, payload: bytes) -> None:
        del flags, stream, payload
        raise Http2Error("the server pushes, which was not allowed")

    def _renew_window(self, length: int) -> None:
        self._received_bytes += length
        if self._received_bytes >= RENEW_WINDOW_BYTES:
            self.output += frame(_WINDOW_UPDATE, 0, 0, self._received_bytes.to_bytes(4, "big"))
            self._received_bytes = 0

    def _data_frames(self) -> bytes:
        """As much of the message as the windows allow."""
        frames = []
        while self._unsent and (room := min(MAX_FRAME_BYTES, self._window, self._call_window)) > 0:
            part = self._unsent[:room]
            self._unsent = self._unsent[len(part) :]
            self._window -= len(part)
            self._call_window -= len(part)
            frames.append(frame(_DATA, 0 if self._unsent else _END_STREAM, self._stream, bytes(part)))
        return b"".join(frames)


_ON_STREAM = {
    _DATA: UnaryCalls._on_data,  # noqa: SLF001  (its own methods, by the type of the frame)
    _HEADERS: UnaryCalls._on_headers,  # noqa: SLF001
    _CONTINUATION: UnaryCalls._on_continuation,  # noqa: SLF001
    _RST_STREAM: UnaryCalls._on_reset,  # noqa: SLF001
}
_ON_CONNECTION = {
    _SETTINGS: UnaryCalls._on_settings,  # noqa: SLF001
    _PING: UnaryCalls._on_ping,  # noqa: SLF001
    _GOAWAY: UnaryCalls._on_goaway,  # noqa: SLF001
    _WINDOW_UPDATE: UnaryCalls._on_window,  # noqa: SLF001
    _PUSH_PROMISE: UnaryCalls._on_push,  # noqa: SLF001
}


def _unpadded(flags: int, payload: bytes) -> bytes:
    if not flags & _PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2Error("a frame is padded beyond its end")
    return payload[1 : len(payload) - payload[0]]
