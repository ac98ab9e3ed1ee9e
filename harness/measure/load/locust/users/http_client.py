"""An HTTP client for tasks with little overhead: heads are formatted once, responses are not parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson

from harness.measure.load.payloads.response_check import unchecked
from harness.measure.load.task_calls import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.measure.load.task_calls import CallResult
    from harness.wire.server_url import ServerUrl

MAX_KNOWN_HEADS = 1024
_BODILESS = ("GET", "DELETE", "OPTIONS")
_JSON = "Content-Type: application/json\r\n"


class Response(NamedTuple):
    """The response to a call, with the attribute names of Locust's own clients."""

    result: CallResult

    @property
    def status_code(self) -> int:
        """0 where there is no response."""
        return self.result.response.status

    @property
    def content(self) -> bytes:
        """The body."""
        return self.result.response.body

    @property
    def text(self) -> str:
        """The body, decoded as UTF-8."""
        return self.result.response.body.decode(errors="replace")

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return self.result.ok

    @property
    def error(self) -> str:
        """The reason why there is no response; empty where there is one."""
        return self.result.error

    @property
    def response_time_ms(self) -> float:
        """Milliseconds from the call to the last byte."""
        return self.result.response_time_ns / 1e6

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return orjson.loads(self.result.response.body)


class RequestSender(Protocol):
    """Sends the requests of a client."""

    @property
    def url(self) -> ServerUrl:
        """The server."""

    def place(self, name: str, method: str) -> int:
        """The place of requests of that name in the load's `RequestClassTable`."""

    def call(self, call: Call) -> CallResult:
        """Send a request and wait for its result."""


class LeanClient:
    """Sends requests to the server under test over the user's connection. It does not follow redirects."""

    def __init__(self, sender: RequestSender) -> None:
        self._sender = sender
        self._heads: dict[tuple[str, str, str], bytes] = {}

    def get(self, path: str, **more: Any) -> Response:
        """See `request`."""
        return self.request("GET", path, **more)

    def post(self, path: str, data: bytes | str = b"", **more: Any) -> Response:
        """See `request`."""
        return self.request("POST", path, data=data, **more)

    def put(self, path: str, data: bytes | str = b"", **more: Any) -> Response:
        """See `request`."""
        return self.request("PUT", path, data=data, **more)

    def patch(self, path: str, data: bytes | str = b"", **more: Any) -> Response:
        """See `request`."""
        return self.request("PATCH", path, data=data, **more)

    def delete(self, path: str, **more: Any) -> Response:
        """See `request`."""
        return self.request("DELETE", path, **more)

    def request(
        self,
        method: str,
        path: str,
        *,
        data: bytes | str = b"",
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        name: str | None = None,
    ) -> Response:
        """Send a request and wait for its response.

        `path` begins with `/`; `json` is encoded as the body in place of `data`; `name` groups requests in rows and
        statistics (by default the path). Raises ValueError for a header with a line break.
        """
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items()) if headers else ""
        body = data.encode() if isinstance(data, str) else data
        if json is not None:
            body = orjson.dumps(json, option=orjson.OPT_SERIALIZE_NUMPY)
            lines += _JSON
        head = self._heads.get((method, path, lines)) or self._head(method, path, lines, len(headers or ()))
        framed = b"\r\n" if not body and method in _BODILESS else b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        return Response(self._sender.call(Call(head + framed, self._sender.place(name or path, method), unchecked)))

    def _head(self, method: str, path: str, lines: str, count: int) -> bytes:
        url = self._sender.url
        if lines.count("\n") != lines.count("\r\n") or lines.count("\r\n") not in (count, count + 1):
            raise ValueError("a header holds a line break")
        if not path.startswith("/") or not path.isprintable() or " " in path:
            raise ValueError(f"{path!r} is no path: it begins with / and has no spaces")
        head = f"{method} {url.prefix}{path} HTTP/1.1\r\n{url.head_lines}{lines}".encode()
        if len(self._heads) >= MAX_KNOWN_HEADS:
            self._heads.clear()
        self._heads[method, path, lines] = head
        return head
