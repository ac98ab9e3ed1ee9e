"""The status of a gRPC call: its code and text, by whatever the server sends."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING
from urllib.parse import unquote

from harness.wire.failure_text import body_text, quoted

if TYPE_CHECKING:
    from harness.wire.grpc.header_blocks import Headers


class Code(IntEnum):
    """The status of a call (google.rpc.Code)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


# The code of a response that is no gRPC (gRPC's own table, doc/http-grpc-status-mapping.md).
_CODE_OF_HTTP = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
_CODE_OF_RESET = {7: Code.UNAVAILABLE, 8: Code.CANCELLED, 11: Code.RESOURCE_EXHAUSTED, 12: Code.PERMISSION_DENIED}


def status_in(headers: Headers) -> tuple[int, str]:
    """Code and text of a response, by the headers that end it."""
    text = headers.get(b"grpc-status", b"")
    if not text:
        return Code.UNKNOWN, "the response has no status"
    detail = quoted(unquote(headers.get(b"grpc-message", b"").decode("latin-1"), errors="replace"))
    if not text.isdigit() or len(text) > 2 or int(text) >= len(Code):
        unknown = f"the unknown status {quoted(text.decode('latin-1'))}"
        return Code.UNKNOWN, f"{unknown}: {detail}" if detail else unknown
    return int(text), detail


def without_status(content_type: bytes, body: bytes) -> tuple[int, str]:
    """The same of a response that ends with its body, which is quoted where it is none of gRPC."""
    kind = content_type.decode("latin-1")
    if kind.startswith("application/grpc"):
        return Code.UNKNOWN, "the response ends without a status"
    return Code.UNKNOWN, f"no gRPC, but {quoted(kind) or 'of no type'}: {body_text(body) or 'an empty body'}"


def not_grpc(status: bytes) -> tuple[int, str]:
    """The same of a response that is no gRPC, by its HTTP status."""
    number = int(status) if status.isdigit() and len(status) == 3 else 0
    return _CODE_OF_HTTP.get(number, Code.UNKNOWN), f"HTTP {number}"


def of_reset(reason: int) -> tuple[int, str]:
    """The same of a call that the server has reset, by the error code of HTTP/2."""
    return _CODE_OF_RESET.get(reason, Code.INTERNAL), f"the server gave the call up (HTTP/2 error {reason})"
