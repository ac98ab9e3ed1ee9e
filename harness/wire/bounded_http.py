"""Makes single HTTP requests before and beside a load, bounded in time and in bytes."""

from __future__ import annotations

import contextlib
import http.client
import io
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from harness.clock import NS_PER_S, monotonic_ns
from harness.wire.bounded_json import JsonError, parse_json
from harness.wire.failure_text import quoted

if TYPE_CHECKING:
    import socket

    from harness.wire.server_url import ServerUrl

OK = 200
TIMEOUT_S = 5.0
LIMIT_BYTES = 1 << 20
HEADS_LIMIT_BYTES = 1 << 20  # of the response and of what comes before it: `100 Continue`
CHUNK_BYTES = 1 << 16


class NoResponseError(Exception):
    """The connection failed, the response took too long, or its bytes are no HTTP. The message says which."""


class Deadline:
    """An instant until which a socket may be waited for, however many pieces the server sends."""

    def __init__(self, seconds: float) -> None:
        self._end_ns = monotonic_ns() + round(seconds * NS_PER_S)

    def limit(self, sock: socket.socket) -> None:
        """Let the next operation of `sock` take what is left. Raises TimeoutError where nothing is."""
        left_s = (self._end_ns - monotonic_ns()) / NS_PER_S
        if left_s <= 0:
            raise TimeoutError("timed out")
        sock.settimeout(left_s)


class _BoundedStream(io.RawIOBase):
    """The bytes that a socket receives until a deadline, at most `limit_bytes` of them."""

    def __init__(self, sock: socket.socket, limit_bytes: int) -> None:
        self._socket = sock
        self._left_bytes = limit_bytes
        self.deadline = Deadline(0)

    def readable(self) -> bool:
        """True: it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Receive some bytes. Raises OSError."""
        self.deadline.limit(self._socket)
        count = self._socket.recv_into(buffer)
        self._left_bytes -= count
        if self._left_bytes < 0:
            raise OSError("the server sends without end")
        return count


class _Connected(NamedTuple):
    """What `HTTPResponse` needs of a socket."""

    stream: _BoundedStream

    def makefile(self, mode: str) -> io.BufferedReader:
        """The stream, buffered."""
        del mode
        return io.BufferedReader(self.stream)


class BoundedResponse(NamedTuple):
    """A status and the body, cut at the limit."""

    status: int
    body: bytes

    def document(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return parse_json(self.body)
        except JsonError:
            return None


def get(
    url: ServerUrl, path: str = "", *, timeout_s: float = TIMEOUT_S, limit_bytes: int = LIMIT_BYTES
) -> BoundedResponse:
    """The response to GET `path`, after the URL's own prefix. Raises NoResponseError; UserError as `exchange`."""
    target = f"{url.prefix}{path}" or "/"
    head = f"GET {target} HTTP/1.1\r\n{url.head_lines}Connection: close\r\n\r\n"
    return exchange(url, head.encode("ascii"), timeout_s=timeout_s, limit_bytes=limit_bytes)


def exchange(
    url: ServerUrl, request: bytes, *, timeout_s: float = TIMEOUT_S, limit_bytes: int = LIMIT_BYTES
) -> BoundedResponse:
    """The response to a whole request: its head within `timeout_s`, its body within as long after it.

    Raises NoResponseError; UserError where the certificate authority cannot be read.
    """
    try:
        with contextlib.closing(url.http_connection(timeout_s)) as connection:
            connection.connect()
            connection.sock.sendall(request)
            stream = _BoundedStream(connection.sock, limit_bytes + HEADS_LIMIT_BYTES)
            stream.deadline = Deadline(timeout_s)
            response = http.client.HTTPResponse(
                cast("socket.socket", _Connected(stream)), method=request.partition(b" ")[0].decode()
            )
            response.begin()
            stream.deadline = Deadline(timeout_s)
            body = _body_of(response, limit_bytes)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoResponseError(getattr(error, "strerror", None) or quoted(str(error)) or type(error).__name__) from error
    return BoundedResponse(response.status, body)


def _body_of(response: http.client.HTTPResponse, limit_bytes: int) -> bytes:
    """The body, cut at the limit. Raises HTTPException where the server has sent less than it announced."""
    body = bytearray()
    while len(body) < limit_bytes and (chunk := response.read1(min(CHUNK_BYTES, limit_bytes - len(body)))):
        body += chunk
    if response.length and len(body) < limit_bytes:
        raise http.client.IncompleteRead(bytes(body[:CHUNK_BYTES]), response.length)  # `read1` does not notice
    return bytes(body)
