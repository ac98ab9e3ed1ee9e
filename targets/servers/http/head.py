"""The head of an HTTP/1.1 request, parsed once per distinct text.

A client repeats its heads byte for byte, so a parsed head is kept under its bytes: node's C parser, called
through Python callbacks, costs 4 microseconds, and the look-up a tenth of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import httptools

from harness.clock import NS_PER_MS
from targets.servers.http.guard import Guard
from targets.servers.http.responses import CLOSE
from targets.servers.http.routes import Action
from targets.servers.protocols.errors import ProtocolError

MAX_HEAD_BYTES = 64 * 1024
KEEP_ALIVE = {"1.1": b"", "1.0": b"connection: keep-alive\r\n"}  # what an answer says to keep the connection
# Milliseconds that the client gives the request; 0 is none. The second is what Envoy tells the server behind it.
TIMEOUT_HEADERS = (b"x-request-timeout-ms", b"x-envoy-expected-rq-timeout-ms")
MAX_DIGITS = 15
KEPT_HEADS = 1024
KEPT_HEAD_BYTES = 4 * 1024  # longer heads are rare, and would make the memory large


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the server needs of a request's head. `refusal` is set where it is answered without its body."""

    action: Action = Action.LIVE
    content_length: int = 0
    chunked: bool = False
    connection: bytes = b""  # header line of the answer: empty, `connection: close` or `connection: keep-alive`
    expects_continue: bool = False
    json_length: int | None = None  # Inference-Header-Content-Length
    timeout_ns: int | None = None  # how long the answer is worth waiting for
    refusal: ProtocolError | None = None

    @property
    def closes(self) -> bool:
        """Whether the connection ends with the answer."""
        return self.connection is CLOSE


class Routes(Protocol):
    """Which path means what."""

    def find(self, method: str, target: str) -> Action:
        """The action of a request line. Raises ProtocolError: 404 or 405."""


class HeadParser:
    """Parses heads for one model's routes; `max_body_bytes` bounds what may follow."""

    def __init__(self, routes: Routes, max_body_bytes: int, guard: Guard | None = None) -> None:
        self._routes = routes
        self._guard = guard or Guard()
        self._max_body_bytes = max_body_bytes
        self._known: dict[bytes, Head] = {}

    def parse(self, raw: bytes) -> Head:
        """`raw` runs to the empty line, included. A head that is no HTTP gives a refusal that closes."""
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
            json_length = _whole(headers, b"inference-header-content-length")
            timeout_ns = _timeout_ns(headers)
            self._check_body(content_length, headers.get(b"content-encoding", b"identity"))
        except ProtocolError as error:
            refusal = error
        return Head(
            action=action,
            content_length=content_length,
            chunked=b"chunked" in headers.get(b"transfer-encoding", b"").lower(),
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
            self._guard.check(authorization)  # who may not ask is not told what there is
            raise
        self._guard.check(authorization, action)
        return action

    def _check_body(self, content_length: int, encoding: bytes) -> None:
        if encoding != b"identity":
            raise ProtocolError(415, "compressed bodies are not supported")
        if content_length > self._max_body_bytes:
            raise ProtocolError(413, f"the body is larger than {self._max_body_bytes} bytes")


def broken(error: ProtocolError) -> Head:
    """The head of a request after which nothing on the connection can be trusted."""
    return Head(connection=CLOSE, refusal=error)


def _whole(headers: dict[bytes, bytes], name: bytes) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    if not text.isdigit() or len(text) > MAX_DIGITS:
        raise ProtocolError(400, f"{name.decode()} must be a whole number")
    return int(text)


def _timeout_ns(headers: dict[bytes, bytes]) -> int | None:
    timeouts_ms = [ms for name in TIMEOUT_HEADERS if (ms := _whole(headers, name))]
    return min(timeouts_ms) * NS_PER_MS if timeouts_ms else None


class _Fields:
    """Collects what the C parser calls back with."""

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
        # Asked later, after an empty body, the parser has forgotten.
        self.keep_alive = self.parser.should_keep_alive()
