"""A lean HTTP client for tasks: requests made from parts written once, answers with little around them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson

from harness.measure.load.payloads.response_check import unchecked
from harness.measure.load.task_calls import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.measure.load.task_calls import Reply
    from harness.wire.server_url import ServerUrl

MAX_KNOWN_HEADS = 1024
_BODILESS = ("GET", "DELETE", "OPTIONS")
_JSON = "Content-Type: application/json\r\n"


class Response(NamedTuple):
    """An answer, with the names that Locust's own clients give its parts."""

    reply: Reply

    @property
    def status_code(self) -> int:
        """0 where no answer came."""
        return self.reply.answer.status

    @property
    def content(self) -> bytes:
        """The body."""
        return self.reply.answer.body

    @property
    def text(self) -> str:
        """The body, taken for UTF-8."""
        return self.reply.answer.body.decode(errors="replace")

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return self.reply.ok

    @property
    def error(self) -> str:
        """Why no answer came; empty where one did."""
        return self.reply.error

    @property
    def response_time_ms(self) -> float:
        """From the call to the last byte."""
        return self.reply.response_time_ns / 1e6

    def json(self) -> Any:
        """The body as JSON. Raises ValueError."""
        return orjson.loads(self.reply.answer.body)


class Line(Protocol):
    """What sends a client's requests."""

    @property
    def url(self) -> ServerUrl:
        """Where to."""

    def place(self, name: str, method: str) -> int:
        """Where requests of that name stand in the books."""

    def call(self, call: Call) -> Reply:
        """Send, and wait for the answer."""


class LeanClient:
    """Requests to the one server under test, over the user's one connection. Redirects are not followed."""

    def __init__(self, line: Line) -> None:
        self._line = line
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
        """Send a request and wait for its answer.

        `path` begins with `/`; `json` is written as the body in place of `data`; `name` groups requests in rows and
        statistics (by default the path). Raises ValueError for a header with a line break.
        """
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items()) if headers else ""
        body = data.encode() if isinstance(data, str) else data
        if json is not None:
            body = orjson.dumps(json, option=orjson.OPT_SERIALIZE_NUMPY)
            lines += _JSON
        head = self._heads.get((method, path, lines)) or self._head(method, path, lines, len(headers or ()))
        framed = b"\r\n" if not body and method in _BODILESS else b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        return Response(self._line.call(Call(head + framed, self._line.place(name or path, method), unchecked)))

    def _head(self, method: str, path: str, lines: str, count: int) -> bytes:
        url = self._line.url
        if lines.count("\n") != lines.count("\r\n") or lines.count("\r\n") not in (count, count + 1):
            raise ValueError("a header holds a line break")
        if not path.startswith("/") or not path.isprintable() or " " in path:
            raise ValueError(f"{path!r} is no path: it begins with / and has no spaces")
        head = (
            f"{method} {url.prefix}{path} HTTP/1.1\r\nHost: {url.authority}\r\n{url.access.header_line}{lines}".encode()
        )
        if len(self._heads) >= MAX_KNOWN_HEADS:
            self._heads.clear()
        self._heads[method, path, lines] = head
        return head
