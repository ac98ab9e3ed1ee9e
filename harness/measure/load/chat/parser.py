"""A streamed answer over HTTP, parsed as it comes: llhttp for the framing, `ChatStream` for what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import httptools

from harness.clock import monotonic_ns
from harness.measure.load.connections.http_parser import MAX_BODY_BYTES, MAX_HEAD_BYTES, Answer, AnswerParser, HttpError
from harness.wire.chat_completions import StreamError

if TYPE_CHECKING:
    from harness.wire.chat_completions import ChatStream

EVENT_STREAM = b"text/event-stream"
OK = 200


class StreamHolder(Protocol):
    """Who knows which stream is being answered."""

    stream: ChatStream


class StreamParser(AnswerParser):
    """Stands in for `AnswerParser` on a connection whose answers are streams.

    An answer is whole when its HTTP body is; its `body` is then the text of the stream. Answers that are no success
    come as they are.
    """

    __slots__ = ("_body", "_head_bytes", "_headers", "_holder", "_http", "_in_body", "_open", "_size", "_whole")

    def __init__(self, holder: StreamHolder) -> None:
        super().__init__({})
        self._holder = holder
        self._reset()

    def _reset(self) -> None:
        self._http = httptools.HttpResponseParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []  # not yet looked at
        self._size = self._head_bytes = 0
        self._open = self._in_body = self._whole = False

    @property
    def started(self) -> bool:
        """Whether bytes of an unfinished answer are waiting inside."""
        return self._open

    def feed(self, data: bytes) -> Answer | None:
        """Take the next bytes. Raises HttpError."""
        now_ns = monotonic_ns()
        self._open = True
        self._size += len(data)
        try:
            self._http.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise HttpError("the server asks for another protocol") from error
        except httptools.HttpParserError as error:
            raise HttpError(f"not an HTTP answer: {error}") from error
        if not self._in_body and self._size > MAX_HEAD_BYTES:
            raise HttpError(f"the head of the answer is longer than {MAX_HEAD_BYTES} bytes")
        if self._size > MAX_BODY_BYTES:
            raise HttpError(f"the body of the answer is longer than {MAX_BODY_BYTES} bytes")
        if self._streams and self._body:
            self._pass_on(now_ns)
        return self._answer(keep_alive=self._http.should_keep_alive()) if self._whole else None

    def eof(self) -> Answer | None:
        """The peer sent its last byte. Raises HttpError where that cuts an answer short."""
        if not self._open:
            return None
        framed = b"content-length" in self._headers or b"transfer-encoding" in self._headers
        if self._in_body and not framed:
            return self._answer(keep_alive=False)
        if self._in_body and self._streams and self._holder.stream.instants_ns:
            raise HttpError("the stream was cut: the connection was closed in the middle")
        raise HttpError("the connection was closed in the middle of an answer")

    @property
    def _streams(self) -> bool:
        return self._in_body and self._http.get_status_code() == OK

    def _pass_on(self, now_ns: int) -> None:
        kind = self._headers.get(b"content-type", b"")
        if not kind.lower().startswith(EVENT_STREAM):
            said = kind.decode("latin-1")[:60] or "of no type"
            raise HttpError(f"the answer is no event stream, but {said}; does the server stream?")
        data = b"".join(self._body)
        self._body.clear()
        try:
            self._holder.stream.feed(data, now_ns)
        except StreamError as error:
            raise HttpError(str(error)) from error

    def _answer(self, *, keep_alive: bool) -> Answer:
        status = self._http.get_status_code()
        body = b"".join(self._body)
        if self._streams:
            try:
                self._holder.stream.end()
            except StreamError as error:
                raise HttpError(str(error)) from error
            body = self._holder.stream.text.encode()
        answer = Answer(status, body, self._headers.get(b"server-timing", b""), keep_alive, self._size)
        self._reset()
        return answer

    # What follows is called by llhttp.

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line of the answer."""
        self._headers[name.lower()] = value.strip()

    def on_headers_complete(self) -> None:
        """The body follows."""
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """All of it has come."""
        if self._http.get_status_code() < OK:
            self._in_body = False  # informational; the answer itself is still to come
            self._headers.clear()
        else:
            self._whole = True
