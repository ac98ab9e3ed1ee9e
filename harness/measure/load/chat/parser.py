"""Parses a streamed response as it arrives: llhttp for the HTTP framing, `ChatStream` for the events in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from harness.clock import monotonic_ns
from harness.measure.load.connections.llhttp_parser import CUT_SHORT, HttpError, HttpResponse, LlhttpParser
from harness.wire.chat_completions import StreamError

if TYPE_CHECKING:
    from harness.wire.chat_completions import ChatStream

EVENT_STREAM = b"text/event-stream"
OK = 200


class StreamHolder(Protocol):
    """Has the stream that the next response belongs to."""

    stream: ChatStream


class StreamParser(LlhttpParser):
    """The parser of a connection whose responses are streams.

    A response is whole when its HTTP body is; its `body` is the text of the stream. A response that is no success is
    parsed like any other.
    """

    def __init__(self, holder: StreamHolder) -> None:
        super().__init__()
        self._holder = holder
        self._now_ns = 0

    def feed(self, data: bytes) -> HttpResponse | None:
        """Take the next bytes, and pass the events among them on to the stream. Raises HttpError."""
        self._now_ns = monotonic_ns()
        response = super().feed(data)
        if self._streams:
            self._pass_on()
        return response

    def eof(self) -> HttpResponse | None:
        """The server sent its last byte. Raises HttpError where that cuts a response short."""
        response = super().eof()
        if response is None and self.started:
            cut = self._streams and self._holder.stream.instants_ns
            raise HttpError("the stream was cut: the connection was closed in the middle" if cut else CUT_SHORT)
        return response

    @property
    def _streams(self) -> bool:
        return self._in_body and self._parser.get_status_code() == OK

    def _pass_on(self) -> None:
        """Give the stream the pieces of the body that have arrived since the last call."""
        if not self._body:
            return
        kind = self._header(b"content-type")
        if not kind.lower().startswith(EVENT_STREAM):
            found = kind.decode("latin-1")[:60] or "of no type"
            raise HttpError(f"the response is no event stream, but {found}; does the server stream?")
        data = b"".join(self._body)
        self._body.clear()
        try:
            self._holder.stream.feed(data, self._now_ns)
        except StreamError as error:
            raise HttpError(str(error)) from error

    def _content(self) -> bytes:
        if not self._streams:
            return super()._content()
        self._pass_on()
        try:
            self._holder.stream.end()
        except StreamError as error:
            raise HttpError(str(error)) from error
        return self._holder.stream.text.encode()
