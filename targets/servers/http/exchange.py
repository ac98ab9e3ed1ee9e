"""One HTTP request and its pending response, as backends see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from targets.servers.http.responses import LAST_CHUNK, OK, chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from targets.servers.http.head import Head
    from targets.servers.protocols.errors import ProtocolError
    from targets.servers.protocols.inference import InferRequest

    Gone = Callable[[], None]


class ResponseChannel(Protocol):
    """A connection that writes responses in the order of their requests."""

    def send(self, exchange: HttpExchange, status_and_headers: bytes, body: bytes) -> None:
        """Write a whole response."""

    def send_error(self, exchange: HttpExchange, error: ProtocolError) -> None:
        """Write the protocol's error response and count it."""

    def send_part(self, exchange: HttpExchange, part: bytes) -> bool:
        """Write a part of a response; False where earlier responses of the connection are still pending."""

    def finish(self, exchange: HttpExchange, rest: bytes) -> None:
        """Write the last bytes of a response."""

    def open_stream(self, exchange: HttpExchange, status_and_headers: bytes, data: bytes) -> None:
        """Write the head of a response of unknown length, and its first `data`."""

    def write_part(self, exchange: HttpExchange, data: bytes) -> None:
        """Write the next part of a stream."""

    def close_stream(self, exchange: HttpExchange, data: bytes) -> None:
        """Write the last part of a stream."""

    def reset(self) -> None:
        """Abort the connection (TCP RST)."""

    def forget(self, exchange: HttpExchange) -> None:
        """Remove `exchange` from the pending ones without a response."""


class HttpExchange:
    """One request and its pending response. While it waits for the model it is an item of the batch queue."""

    __slots__ = (
        "_channel",
        "arrived_ns",
        "chunked",
        "expires_ns",
        "head",
        "held",
        "on_gone",
        "payload",
        "request",
        "rows",
        "written",
    )

    request: InferRequest
    rows: int
    arrived_ns: int
    expires_ns: int

    def __init__(self, channel: ResponseChannel, head: Head) -> None:
        self._channel = channel
        self.head = head
        self.held = False  # waits for a paced refusal
        self.payload: bytes | None = None  # the unsent bytes, once the response is complete
        self.chunked: bool | None = None  # of a stream: False where closing the connection ends it
        self.written = b""  # of a stream: bytes that wait behind earlier responses
        self.on_gone: Gone | None = None  # called where the client disconnects before its response is complete

    def deliver(self, headers: bytes, timing: bytes, body: bytes) -> None:
        """Send the prediction. `headers` and `timing` are whole header lines."""
        self._channel.send(self, b"%s%s%s" % (OK, headers, timing), body)

    def respond(self, status_and_headers: bytes, body: bytes) -> None:
        """Send this response after all earlier ones of the connection. Does nothing where the client has gone."""
        self._channel.send(self, status_and_headers, body)

    def send_part(self, part: bytes) -> bool:
        """Send the next bytes of an unfinished response; False where earlier responses are still pending."""
        return self._channel.send_part(self, part)

    def finish(self, rest: bytes) -> None:
        """Send the last bytes of a response that was begun with `send_part`."""
        self._channel.finish(self, rest)

    def refuse(self, error: ProtocolError) -> None:
        """Send the protocol's error response and count it."""
        self._channel.send_error(self, error)

    def open_stream(self, status_and_headers: bytes, data: bytes) -> None:
        """Begin a response of unknown length with `data`; `write` and `close_stream` follow."""
        self._channel.open_stream(self, status_and_headers, data)

    def write(self, data: bytes) -> None:
        """Send the next part of a stream. Does nothing where the client has gone."""
        self._channel.write_part(self, chunk(data) if self.chunked else data)

    def close_stream(self, data: bytes) -> None:
        """Send the last part of a stream."""
        self._channel.close_stream(self, chunk(data) + LAST_CHUNK if self.chunked else data)

    @property
    def closes(self) -> bool:
        """Whether the connection ends with the response."""
        return self.head.closes or self.chunked is False

    def reset(self) -> None:
        """Abort the connection without a response (TCP RST)."""
        self._channel.reset()

    def forget(self) -> None:
        """Never respond, and leave the connection open."""
        self._channel.forget(self)
