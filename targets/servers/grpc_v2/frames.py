"""Frames of HTTP/2 (RFC 9113) on the server's side, and the errors that end a connection."""

from __future__ import annotations

import struct
from enum import IntEnum

from harness.wire.grpc.http2 import DEFAULT_WINDOW, MAX_FRAME_BYTES, MAX_WINDOW, frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_HEADER_BYTES = 16 << 10  # of a header block, and of the header list in it
MAX_STREAMS = 1024  # calls of one connection that have no response yet
RENEW_WINDOW_BYTES = 1 << 28

FRAME_HEAD = struct.Struct(">HBBBI")  # length (16 bits and 8 bits), type, flags, stream
SETTING = struct.Struct(">HI")
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, HAS_PRIORITY = 0x4, 0x8, 0x20
ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = 2, 3, 4, 5, 6
MOST_FRAME_BYTES = 2**24 - 1  # the largest value of MAX_FRAME_SIZE


class Http2Code(IntEnum):
    """The error codes of HTTP/2 (RFC 9113, section 7)."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class ConnectionFaultError(Exception):
    """The client breaks HTTP/2 in a way that ends the connection."""

    def __init__(self, code: Http2Code, message: str) -> None:
        super().__init__(message)
        self.code = code


# Receive windows are as large as HTTP/2 allows: messages are bounded by their size, not by windows, because two
# unfinished messages that share a small window would block each other.
_OUR_SETTINGS = (
    (MAX_CONCURRENT_STREAMS, MAX_STREAMS),
    (INITIAL_WINDOW_SIZE, MAX_WINDOW),
    (MAX_HEADER_LIST_SIZE, MAX_HEADER_BYTES),
)
OPENING = frame(SETTINGS, 0, 0, b"".join(SETTING.pack(*setting) for setting in _OUR_SETTINGS)) + frame(
    WINDOW_UPDATE, 0, 0, (MAX_WINDOW - DEFAULT_WINDOW).to_bytes(4, "big")
)
SETTINGS_ACK = frame(SETTINGS, ACK, 0, b"")


def reset(stream: int, code: Http2Code) -> bytes:
    """The frame that ends a stream without a response."""
    return frame(RST_STREAM, 0, stream, code.to_bytes(4, "big"))


def goaway(last_stream: int, code: Http2Code, why: str = "") -> bytes:
    """The frame that announces the end of the connection; calls after `last_stream` were not begun."""
    return frame(GOAWAY, 0, 0, last_stream.to_bytes(4, "big") + code.to_bytes(4, "big") + why.encode())


def window_update(size_bytes: int) -> bytes:
    """The frame that renews the connection's window."""
    return frame(WINDOW_UPDATE, 0, 0, size_bytes.to_bytes(4, "big"))


def unpadded(flags: int, payload: bytes) -> bytes:
    """The payload of DATA or HEADERS without padding and priority. Raises ConnectionFaultError."""
    if flags & PADDED:
        if not payload or payload[0] >= len(payload):
            raise ConnectionFaultError(Http2Code.PROTOCOL_ERROR, "a frame is padded beyond its end")
        payload = payload[1 : len(payload) - payload[0]]
    return payload


def block_part(flags: int, payload: bytes) -> bytes:
    """The part of the header block in a HEADERS frame. Raises ConnectionFaultError."""
    payload = unpadded(flags, payload)
    if not flags & HAS_PRIORITY:
        return payload
    if len(payload) < 5:
        raise ConnectionFaultError(Http2Code.FRAME_SIZE_ERROR, "HEADERS is too short for its priority")
    return payload[5:]


def data_frames(stream: int, data: memoryview) -> bytes:
    """`data` in frames of the size that every client takes."""
    return b"".join(
        frame(DATA, 0, stream, bytes(data[at : at + MAX_FRAME_BYTES])) for at in range(0, len(data), MAX_FRAME_BYTES)
    )
