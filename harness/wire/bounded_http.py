"""Makes single HTTP requests before and beside a load, bounded in time and in bytes."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.clock import NS_PER_S, monotonic_ns

if TYPE_CHECKING:
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
    """The response to a whole request. Its body must be complete within `timeout_s` of its head.

    Raises NoResponseError; UserError where the certificate authority cannot be read.
    """
    try:
        with contextlib.closing(url.http_connection(timeout_s)) as connection:
            connection.connect()
            connection.sock.sendall(request)
            response = http.client.HTTPResponse(connection.sock, method=request.partition(b" ")[0].decode())
            response.begin()
            deadline_ns = monotonic_ns() + round(timeout_s * NS_PER_S)
            body = b""
            while len(body) < limit_bytes and (chunk := response.read1(min(CHUNK_BYTES, limit_bytes - len(body)))):
                body += chunk
                left_s = (deadline_ns - monotonic_ns()) / NS_PER_S
                connection.sock.settimeout(max(left_s, 0.001))
            if response.length and len(body) < limit_bytes:
                raise http.client.IncompleteRead(body, response.length)  # `read1` does not notice
    except (OSError, http.client.HTTPException) as error:
        raise NoResponseError(getattr(error, "strerror", None) or str(error) or type(error).__name__) from error
    return BoundedResponse(response.status, body)
