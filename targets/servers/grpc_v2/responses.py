"""Builds the frames of gRPC responses as bytes: headers, message, trailers. No clock, no socket.

No header is added to the client's header table. Therefore every block can be made in advance and fits any connection.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from harness.wire.grpc.call_status import Code
from harness.wire.grpc.header_blocks import encode_block
from harness.wire.grpc.http2 import frame
from targets.servers.grpc_v2.frames import END_HEADERS, END_STREAM, HEADERS

CODES = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    404: Code.NOT_FOUND,
    405: Code.UNIMPLEMENTED,
    408: Code.DEADLINE_EXCEEDED,
    413: Code.RESOURCE_EXHAUSTED,
    501: Code.UNIMPLEMENTED,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}
NO_TABLE = b"\x20"  # before the first block of a connection: we use no header table, whatever size the client allows
_CONTENT_TYPE = ("content-type", "application/grpc")
_HEAD_BLOCK = encode_block([(":status", "200"), _CONTENT_TYPE])
_STATUS_BLOCK = encode_block([("grpc-status", "0")])
_TIMING_NAME = b"\0\x0dserver-timing"
MAX_TIMING_BYTES = 4096
MAX_TEXT = 1024  # of an error message, which may quote the client


def _lengths(most: int) -> list[bytes]:
    """Lengths of texts in a block (RFC 7541, section 5.1), up to `most`."""
    return [bytes([size]) if size < 127 else b"\x7f" + _continued(size - 127) for size in range(most + 1)]


def _continued(rest: int) -> bytes:
    return bytes([rest]) if rest < 128 else bytes([rest & 0x7F | 0x80]) + _continued(rest >> 7)


_LENGTHS = _lengths(MAX_TIMING_BYTES)
_HEAD = frame(HEADERS, END_HEADERS, 0, _HEAD_BLOCK)[:5]
_FIRST_HEAD = frame(HEADERS, END_HEADERS, 0, NO_TABLE + _HEAD_BLOCK)[:5]


def head(stream: bytes, *, first: bool) -> bytes:
    """The headers of a response on `stream` (4 bytes); `first` on its connection."""
    if first:
        return b"%b%b%b%b" % (_FIRST_HEAD, stream, NO_TABLE, _HEAD_BLOCK)
    return b"%b%b%b" % (_HEAD, stream, _HEAD_BLOCK)


def trailers(stream: bytes, timing: bytes) -> bytes:
    """The trailers of a good response, with the value of `server-timing` if there is one."""
    block = _STATUS_BLOCK
    if timing and len(timing) <= MAX_TIMING_BYTES:
        block = b"%b%b%b%b" % (_STATUS_BLOCK, _TIMING_NAME, _LENGTHS[len(timing)], timing)
    return b"%b\x01\x05%b%b" % (len(block).to_bytes(3, "big"), stream, block)


def whole(stream: bytes, message: bytes, timing: bytes) -> bytes:
    """A response that is not the first of its connection and whose message fits into one frame."""
    size = len(message)
    return b"%b%b%b%b\0\0%b\0%b%b%b" % (
        _HEAD,
        stream,
        _HEAD_BLOCK,
        (size + 5).to_bytes(3, "big"),
        stream,
        size.to_bytes(4, "big"),
        message,
        trailers(stream, timing),
    )


def prefixed(message: bytes) -> bytes:
    """The message as gRPC transmits it, not compressed."""
    return b"\0%b%b" % (len(message).to_bytes(4, "big"), message)


def refusal(stream: int, status: int, message: str, *, first: bool) -> bytes:
    """A response without a message, with the gRPC status for an HTTP `status`."""
    return _only_trailers(stream, _refusal_block(CODES.get(status, Code.INTERNAL), message[:MAX_TEXT]), first=first)


def not_grpc(stream: int, http_status: int, *, first: bool) -> bytes:
    """The response to a request that is not gRPC."""
    return _only_trailers(stream, _plain_block(http_status), first=first)


def _only_trailers(stream: int, block: bytes, *, first: bool) -> bytes:
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, NO_TABLE + block if first else block)


@lru_cache(maxsize=64)
def _refusal_block(code: int, message: str) -> bytes:
    accepted = [("grpc-accept-encoding", "identity,deflate,gzip")] if code == Code.UNIMPLEMENTED else []
    text = quote(message, safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")  # percent-encoding as gRPC defines it
    status = [("grpc-status", str(code)), ("grpc-message", text)]
    return encode_block([(":status", "200"), _CONTENT_TYPE, *status, *accepted])


@lru_cache(maxsize=8)
def _plain_block(http_status: int) -> bytes:
    return encode_block([(":status", str(http_status))])
