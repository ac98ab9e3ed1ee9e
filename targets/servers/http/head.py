"""Parses the heads of HTTP/1.1 requests, each distinct head once.

A client repeats its heads byte for byte, so parsed heads are cached by their bytes: Node's C parser, called through
Python callbacks, costs 4 microseconds, the look-up a tenth of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import httptools

from harness.clock import NS_PER_MS
from targets.servers.http.guard import Guard
from targets.servers.http.responses import CLOSE
from targets.servers.http.routes import HEAD, Action
from targets.servers.protocols.errors import ProtocolError

MAX_HEAD_BYTES = 64 * 1024
KEEP_ALIVE = {"1.1": b"", "1.0": b"connection: keep-alive\r\n"}  # header lines of a response that keeps the connection
# The timeout of the request in milliseconds; 0 is none. Envoy sends the second header to the server behind it.
TIMEOUT_HEADERS = (b"x-request-timeout-ms", b"x-envoy-expected-rq-timeout-ms")
MAX_DIGITS = 15
KEPT_HEADS = 1024
KEPT_HEAD_BYTES = 4 * 1024  # longer heads are rare and would make the cache large


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The parsed head of a request. `refusal` is set where the request is refused without reading its body."""

    action: Action = Action.LIVE
    content_length: int = 0
    chunked: bool = False
    wants_body: bool = True  # in the response
    connection: bytes = b""  # header line of the response: empty, `connection: close` or `connection: keep-alive`
    expects_continue: bool = False
    json_length: int | None = None  # Inference-Header-Content-Length
    timeout_ns: int | None = None  # from the arrival of the request
    refusal: ProtocolError | None = None

    @property
    def closes(self) -> bool:
        """Whether the connection ends with the response."""
        return self.connection is CLOSE


class RouteTable(Protocol):
    """Maps paths to actions."""

    def find(self, method: str, target: str) -> Action:
        """The action of a request line. Raises ProtocolError: 404 or 405."""


class HeadParser:
    """Parses heads for the routes of one server. `max_body_bytes` bounds the body."""

    def __init__(self, routes: RouteTable, max_body_bytes: int, guard: Guard | None = None) -> None:
        self._routes = routes
        self._guard = guard or Guard()
        self._max_body_bytes = max_body_bytes
        self._known: dict[bytes, Head] = {}

    def parse(self, raw: bytes) -> Head:
        """Parse a head, including its final empty line. A malformed head gives a refusal that closes the connection."""
        head = self._known.get(raw)
        if head is None:
            head = self._parse(raw)
            if len(raw) <= KEPT_HEAD_BYTES and len(self._known) < KEPT_HEADS:
                self._known[raw] = head
        return head

    def _parse(self, raw: bytes) -> Head:
        fields = _Fields()
        parser = fields.parser = httptools.HttpRequestParser(fields)
        try:
            parser.feed_data(raw)
        except httptools.HttpParserUpgrade:
            return broken(ProtocolError(400, "protocol upgrades are not supported"))
        except httptools.HttpParserError as error:
            return broken(ProtocolError(400, f"malformed HTTP request: {error}"))
        version = parser.get_http_version()
        if version not in KEEP_ALIVE:
            return broken(ProtocolError(400, f"HTTP/{version} is not supported"))
        connection = KEEP_ALIVE[version] if fields.keep_alive else CLOSE
        return self._head(fields, parser.get_method().decode(), connection)

    def _head(self, fields: _Fields, method: str, connection: bytes) -> Head:
        headers = fields.headers
        action, refusal, json_length, timeout_ns = Action.LIVE, None, None, None
        content_length = int(headers.get(b"content-length", b"0"))
        try:
            action = self._action(method, fields.target.decode("latin-1"), headers.get(b"authorization", b""))
            json_length = _whole_number(headers, b"inference-header-content-length")
            timeout_ns = _timeout_ns(headers)
            self._check_body(content_length, headers.get(b"content-encoding", b"identity"))
        except ProtocolError as error:
            refusal = error
        return Head(
            action=action,
            content_length=content_length,
            chunked=b"chunked" in headers.get(b"transfer-encoding", b"").lower(),
            wants_body=method != HEAD,
            connection=connection,
            expects_continue=headers.get(b"expect", b"").lower() == b"100-continue",
            json_length=json_length,
            timeout_ns=timeout_ns,
            refusal=refusal,
        )

    def _action(self, method: str, target: str, authorization: bytes) -> Action:
        try:
            action = self._routes.find(method, target)
        except ProtocolError:
            self._guard.check(authorization)  # a client without the token must not learn which paths exist
            raise
        self._guard.check(authorization, action)
        return action

    def _check_body(self, content_length: int, encoding: bytes) -> None:
        if encoding != b"identity":
            raise ProtocolError(415, "compressed bodies are not supported")
        if content_length > self._max_body_bytes:
            raise ProtocolError(413, f"the body is larger than {self._max_body_bytes} bytes")


def broken(error: ProtocolError) -> Head:
    """The head of a request after which the connection must be closed."""
    return Head(connection=CLOSE, refusal=error)


def _whole_number(headers: dict[bytes, bytes], name: bytes) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not text.isdigit() or len(text) > MAX_DIGITS:
        raise ProtocolError(400, f"{name.decode()} must be a whole number")
    return int(text)


def _timeout_ns(headers: dict[bytes, bytes]) -> int | None:
    timeouts_ms = [ms for name in TIMEOUT_HEADERS if (ms := _whole_number(headers, name))]
    return min(timeouts_ms) * NS_PER_MS if timeouts_ms else None


class _Fields:
    """Collects the callbacks of the C parser."""

    def __init__(self) -> None:
        self.parser: httptools.HttpRequestParser = None
        self.target = b""
        self.headers: dict[bytes, bytes] = {}
        self.keep_alive = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        # After an empty body the parser no longer knows this.
        self.keep_alive = self.parser.should_keep_alive()
