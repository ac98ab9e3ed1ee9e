"""Writes calls of the inference service, and makes single blocking ones before a load."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.wire.bounded_http import Deadline
from harness.wire.grpc.call_status import Code
from harness.wire.grpc.header_blocks import HeaderBlocks, Http2Error
from harness.wire.grpc.http2 import UnaryCalls, unary_request
from harness.wire.grpc.messages import SERVICE, message

if TYPE_CHECKING:
    import socket

    from harness.wire.grpc.http2 import UnaryResponse
    from harness.wire.server_url import ServerUrl

TIMEOUT_S = 5.0
CHUNK_BYTES = 1 << 16


def request_of(url: ServerUrl, method: str, content: Any) -> bytes:
    """The request for a call of the inference service's `method`, as `UnaryCalls.call` takes it."""
    return call_of(url, f"/{SERVICE}/{method}", content.SerializeToString())


def call_of(url: ServerUrl, path: str, content: bytes) -> bytes:
    """The request for a call of the method at `path` with a serialised message."""
    headers = [
        (":method", "POST"),
        (":scheme", "https" if url.secure else "http"),
        (":path", path),
        (":authority", url.access.host or url.authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    if url.access.token:
        headers.append(("authorization", url.access.authorization))
    headers += [(name.lower(), value) for name, value in url.access.headers if name.lower() != "host"]
    return unary_request(headers, content)


def ask(url: ServerUrl, method: str, **fields: Any) -> Any:
    """The response message of the inference service's `method`. Raises UserError where there is none, or an error."""
    response = call_once(url, request_of(url, method, message(f"{method}Request")(**fields)))
    if response.code != Code.OK:
        raise UserError(
            f"{url}: {method} answers {Code(response.code).name} ({response.detail}); does it speak the Open Inference "
            "Protocol, and does it have this model? For a service of your own give --method, --proto and --body",
            "server",
        )
    from google.protobuf.message import DecodeError

    try:
        return message(f"{method}Response").FromString(response.message)
    except DecodeError as error:
        raise UserError(f"{url}: {method} answers what is no message ({error})", "server") from error


def call_once(url: ServerUrl, request: bytes, timeout_s: float = TIMEOUT_S) -> UnaryResponse:
    """The response to a call of its own connection, whatever its code. Raises UserError where there is none."""
    try:
        with contextlib.closing(url.connect(timeout_s, "h2")) as sock:
            return _exchange(sock, request, timeout_s)
    except (OSError, Http2Error) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(f"{url}: no response over gRPC ({reason}); is this the port of its gRPC?", "server") from error


def _received(sock: socket.socket, deadline: Deadline) -> bytes:
    deadline.limit(sock)
    return sock.recv(CHUNK_BYTES)


def _exchange(sock: socket.socket, request: bytes, timeout_s: float) -> UnaryResponse:
    calls = UnaryCalls(HeaderBlocks())
    deadline = Deadline(timeout_s)
    sock.sendall(calls.call(request))
    while data := _received(sock, deadline):
        response = calls.feed(data)
        sock.sendall(calls.output)
        calls.output = b""
        if response is not None:
            return response
    raise Http2Error("the server closed the connection")
