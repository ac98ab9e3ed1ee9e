"""Makes single HTTP requests before and beside a load, bounded in time and in bytes."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.clock import NS_PER_S, monotonic_ns
from harness.wire.http.llhttp_parser import CUT_SHORT, HttpError, LlhttpParser

if TYPE_CHECKING:
    import socket

    from harness.wire.server_url import ServerUrl

OK = 200
TIMEOUT_S = 5.0
LIMIT_BYTES = 1 << 20
CHUNK_BYTES = 1 << 16


class NoResponseError(Exception):
    """The connection failed, the response took too long, or its bytes are no HTTP. The message says which."""


class BoundedResponse(NamedTuple):
    """A status and the body, cut at the limit."""

    status: int
    body: bytes
    location: str = ""  # where a redirection leads

    def document(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
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
    deadline_ns = monotonic_ns() + round(timeout_s * NS_PER_S)
    try:
        with contextlib.closing(url.connect(timeout_s)) as sock:
            sock.sendall(request)
            return _read(sock, deadline_ns, limit_bytes)
    except (OSError, HttpError) as error:
        raise NoResponseError(getattr(error, "strerror", None) or str(error) or type(error).__name__) from error


def _read(sock: socket.socket, deadline_ns: int, limit_bytes: int) -> BoundedResponse:
    """The next response. Raises OSError, HttpError."""
    parser = LlhttpParser()
    while True:
        sock.settimeout(max((deadline_ns - monotonic_ns()) / NS_PER_S, 0.001))
        data = sock.recv(CHUNK_BYTES)
        response = parser.feed(data) if data else parser.eof()
        if response is not None:
            return BoundedResponse(response.status, response.body[:limit_bytes], parser.location)
        if (status_and_body := parser.cut(limit_bytes)) is not None:
            return BoundedResponse(*status_and_body)
        if not data:
            raise HttpError(CUT_SHORT if parser.started else "the server closed the connection without a response")
