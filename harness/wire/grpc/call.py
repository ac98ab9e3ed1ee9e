"""One blocking gRPC call, for what is asked before a load begins."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.wire.grpc.codec import call
from harness.wire.grpc.header_blocks import HeaderBlocks, Http2Error
from harness.wire.grpc.http2 import Code, UnaryCalls
from harness.wire.grpc.messages import message

if TYPE_CHECKING:
    from harness.wire.grpc.http2 import Reply
    from harness.wire.server_url import ServerUrl

TIMEOUT_S = 5.0
CHUNK_BYTES = 1 << 16


class CallError(Exception):
    """The server answers, but not with what was asked for."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"{Code(reply.code).name} ({reply.detail})")
        self.code = reply.code


def ask(url: ServerUrl, method: str, **fields: Any) -> Any:
    """The answer message to `method` of the inference service. Raises CallError; UserError where nobody answers."""
    request = call(url, method, message(f"{method}Request")(**fields))
    try:
        with contextlib.closing(_connected(url)) as sock:
            reply = _exchange(sock, request)
    except (OSError, Http2Error) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise UserError(f"--host {url}: no answer over gRPC ({reason}); is this the port of its gRPC?") from error
    if reply.code != Code.OK:
        raise CallError(reply)
    return message(f"{method}Response").FromString(reply.message)


def _connected(url: ServerUrl) -> socket.socket:
    sock = socket.create_connection((url.host, url.port), timeout=TIMEOUT_S)
    if not url.secure:
        return sock
    with contextlib.ExitStack() as failing:
        failing.enter_context(sock)
        secure = url.access.tls_context("h2").wrap_socket(sock, server_hostname=url.host)
        failing.pop_all()
    return secure


def _exchange(sock: socket.socket, request: bytes) -> Reply:
    calls = UnaryCalls(HeaderBlocks())
    sock.sendall(calls.call(request))
    while data := sock.recv(CHUNK_BYTES):
        reply = calls.feed(data)
        sock.sendall(calls.output)
        calls.output = b""
        if reply is not None:
            return reply
    raise Http2Error("the server closed the connection")
