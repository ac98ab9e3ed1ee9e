"""Reads frames from bytes, however they are cut, and checks what can be checked without knowing the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from harness.wire.grpc.http2 import MAX_FRAME_BYTES, MAX_WINDOW
from targets.servers.grpc_v2 import frames
from targets.servers.grpc_v2.frames import ConnectionFaultError, Http2Code

if TYPE_CHECKING:
    from collections.abc import Iterator


class FrameSink(Protocol):
    """What a connection does with the frames of its client. All methods may raise ConnectionFaultError."""

    def on_headers(self, stream: int, block: bytes, *, ends: bool) -> None:
        """A whole header block; `ends`: nothing else comes on its stream."""

    def on_data(self, stream: int, data: bytes, *, ends: bool) -> None:
        """A part of a message."""

    def on_reset(self, stream: int) -> None:
        """The client gives a call up."""

    def on_settings(self, settings: Iterator[tuple[int, int]]) -> None:
        """Settings (name, value), which have to be acknowledged."""

    def on_ping(self, payload: bytes) -> None:
        """A ping, which has to be answered."""

    def on_window(self, stream: int, more_bytes: int) -> None:
        """The client takes `more_bytes` on a stream, or on all together where `stream` is 0."""


class FrameReader:
    """The frames of one client."""

    def __init__(self, sink: FrameSink) -> None:
        self.data_bytes = 0  # of DATA, with padding, since the caller set it to 0
        self.settled = False  # the client's settings have arrived
        self._sink = sink
        self._preface = frames.PREFACE  # what of it has not arrived
        self._held = b""  # of an unfinished frame
        self._block: bytearray | None = None  # of headers that go on in the next frame
        self._block_stream = 0
        self._block_ends = False

    @property
    def in_frame(self) -> bool:
        """Whether a frame, or the headers of a call, have arrived in part."""
        return bool(self._held) or self._block is not None

    def feed(self, data: bytes) -> None:
        """Read the next bytes. Raises ConnectionFaultError."""
        if self._preface:
            data = self._after_preface(data)
        if self._held:
            data = self._held + data
        at, size = 0, len(data)
        while size - at >= 9:
            high, low, kind, flags, stream = frames.FRAME_HEAD.unpack_from(data, at)
            length = high << 8 | low
            if length > MAX_FRAME_BYTES:
                raise ConnectionFaultError(Http2Code.FRAME_SIZE_ERROR, "a frame is too large")
            stop = at + 9 + length
            if stop > size:
                break
            self._on_frame(kind, flags, stream & MAX_WINDOW, data[at + 9 : stop])
            at = stop
        self._held = data[at:]

    def _after_preface(self, data: bytes) -> bytes:
        size = min(len(self._preface), len(data))
        if data[:size] != self._preface[:size]:
            raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "this port speaks gRPC over HTTP/2 only")
        self._preface = self._preface[size:]
        return data[size:]

    def _on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is not None:
            self._on_continuation(kind, flags, stream, payload)
        elif kind == frames.DATA:
            self.data_bytes += len(payload)
            if flags & frames.PADDED:
                payload = frames.unpadded(flags, payload)
            self._sink.on_data(stream, payload, ends=bool(flags & frames.END_STREAM))
        elif kind == frames.HEADERS:
            self._on_headers(flags, stream, payload)
        elif kind in _HANDLERS:
            _HANDLERS[kind](self, flags, stream, payload)

    def _on_headers(self, flags: int, stream: int, payload: bytes) -> None:
        if not stream & 1 or not self.settled:
            raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "a call on a wrong stream, or before the settings")
        if flags & (frames.PADDED | frames.HAS_PRIORITY):
            payload = frames.block_part(flags, payload)
        ends = bool(flags & frames.END_STREAM)
        if flags & frames.END_HEADERS:
            self._sink.on_headers(stream, payload, ends=ends)
        else:
            self._block, self._block_stream, self._block_ends = bytearray(payload), stream, ends

    def _on_continuation(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is None or kind != frames.CONTINUATION or stream != self._block_stream:
            raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "another frame among the headers of a call")
        self._block += payload
        if len(self._block) > frames.MAX_HEADER_BYTES:
            raise ConnectionFaultError(Http2Code.ENHANCE_YOUR_CALM, "the headers are too long")
        if flags & frames.END_HEADERS:
            block, self._block = bytes(self._block), None
            self._sink.on_headers(stream, block, ends=self._block_ends)

    def _on_reset(self, flags: int, stream: int, payload: bytes) -> None:
        del flags
        _require_size(len(payload) == 4, "RST_STREAM")
        self._sink.on_reset(stream)

    def _on_settings(self, flags: int, stream: int, payload: bytes) -> None:
        acknowledged = flags & frames.ACK
        fits = not payload if acknowledged else len(payload) % frames.SETTING.size == 0
        _require_size(fits and stream == 0, "SETTINGS")
        if not acknowledged:
            self.settled = True
            self._sink.on_settings(frames.SETTING.iter_unpack(payload))

    def _on_ping(self, flags: int, stream: int, payload: bytes) -> None:
        _require_size(len(payload) == 8 and stream == 0, "PING")
        if not flags & frames.ACK:
            self._sink.on_ping(payload)

    def _on_window_update(self, flags: int, stream: int, payload: bytes) -> None:
        del flags
        _require_size(len(payload) == 4, "WINDOW_UPDATE")
        self._sink.on_window(stream, int.from_bytes(payload, "big") & MAX_WINDOW)

    def _on_forbidden(self, flags: int, stream: int, payload: bytes) -> None:
        del flags, stream, payload
        raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "PUSH_PROMISE, or CONTINUATION without HEADERS")


def _require_size(fits: bool, kind: str) -> None:
    if not fits:
        raise ConnectionFaultError(Http2Code.FRAME_SIZE_ERROR, f"malformed {kind}")


_HANDLERS = {
    frames.RST_STREAM: FrameReader._on_reset,  # noqa: SLF001  (its own methods, by the type of the frame)
    frames.SETTINGS: FrameReader._on_settings,  # noqa: SLF001
    frames.PUSH_PROMISE: FrameReader._on_forbidden,  # noqa: SLF001
    frames.PING: FrameReader._on_ping,  # noqa: SLF001
    frames.WINDOW_UPDATE: FrameReader._on_window_update,  # noqa: SLF001
    frames.CONTINUATION: FrameReader._on_forbidden,  # noqa: SLF001
}
