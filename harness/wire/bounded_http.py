"""Makes single HTTP requests before and beside a load, bounded in time and in bytes."""

from __future__ import annotations

import contextlib
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.clock import NS_PER_S, monotonic_ns
from harness.wire.bounded_json import JsonError, parse_json
from harness.wire.failure_text import quoted
from harness.wire.http.llhttp_parser import CUT_SHORT, HttpError, LlhttpParser

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

    @property
    def remedy(self) -> str:
        """What the user can do about it."""
        cause = self.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            if "mismatch" in cause.verify_message:
                return "its certificate is for another name"
            return "give the authority of its certificate with --tls-ca FILE"
        if isinstance(cause, ssl.SSLError):
            return "does it speak TLS? Without it the URL begins with http://"
        return "is the server running, and is this its port?"


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


class BoundedResponse(NamedTuple):
    """A status and the body, cut at the limit."""

    status: int
    body: bytes
    location: str = ""  # where a redirection leads
    charset: str = ""  # that it declares
    media_type: str = ""  # that it declares, such as text/html

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
    """The response to a whole request, read by the parser of the load. It must be whole within `timeout_s`.

    Raises NoResponseError; UserError where the certificate authority cannot be read.
    """
    try:
        with contextlib.closing(url.connect(timeout_s)) as sock:
            sock.sendall(request)
            return _read(sock, Deadline(timeout_s), limit_bytes)
    except (OSError, HttpError) as error:
        raise NoResponseError(getattr(error, "strerror", None) or quoted(str(error)) or type(error).__name__) from error


def _read(sock: socket.socket, deadline: Deadline, limit_bytes: int) -> BoundedResponse:
    """The next response. Raises OSError, HttpError."""
    parser = LlhttpParser()
    left_bytes = limit_bytes + HEADS_LIMIT_BYTES
    while left_bytes > 0:
        deadline.limit(sock)
        data = sock.recv(CHUNK_BYTES)
        left_bytes -= len(data)
        response = parser.feed(data) if data else parser.eof()
        if response is not None:
            declared = parser.location, parser.charset, parser.media_type
            return BoundedResponse(response.status, response.body[:limit_bytes], *declared)
        if (status_and_body := parser.cut(limit_bytes)) is not None:
            return BoundedResponse(*status_and_body)
        if not data:
            raise HttpError(CUT_SHORT if parser.started else "the server closed the connection without a response")
    raise HttpError("the server sends without end")
