"""Parses HTTP/1.1 responses incrementally, without I/O.

A response whose head equals the first one of its connection takes one comparison and one slice. Another common one
(status line, Content-Length, no unusual header) takes one search for the end of the head, one look-up of a known head
and one slice. `LlhttpParser` parses all others: chunked, close-delimited, informational, compressed, folded or repeated
headers, HTTP/1.0.
"""

from __future__ import annotations

import re
from functools import partial
from typing import NamedTuple

from harness.wire.http.llhttp_parser import (
    CUT_SHORT,
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    NO_BODY,
    REFUSED,
    HttpError,
    HttpResponse,
    LlhttpParser,
)
from harness.wire.http.retry_after import in_seconds

MAX_KNOWN_HEADS = 1024

_TEXT = rb"[\t\x20-\x7e\x80-\xff]*"
_HEAD = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)(?: %b)?((?:\r\n[!#$%%&'*+\-.^_`|~0-9A-Za-z]+:%b)*)" % (_TEXT, _TEXT))
_ODD = (b"\r\ntransfer-encoding:", b"\r\ncontent-encoding:", b"\r\nupgrade:", b"\r\nserver-timing:")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?=\r\n|$)")
_CONNECTION = re.compile(rb"\r\nconnection:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n|$)")
_RETRY_AFTER = re.compile(rb"\r\nretry-after:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n|$)")
_DATE = re.compile(rb"\r\ndate:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n|$)")
_TIMING = b"\r\nserver-timing:"
_BLANK = b"\r\n"  # between responses it means nothing
_TIMING_TITLE = b"\r\nServer-Timing:"


class _Head(NamedTuple):
    """The content of a head without its Server-Timing."""

    status: int
    length: int
    keep_alive: bool
    retry_after: bytes = b""


_response = partial(
    tuple.__new__, HttpResponse
)  # from a tuple: in half the time that the class's own constructor takes


class ResponseParser:
    """Turns the bytes of a socket into whole responses, in order.

    `feed` and `eof` return the first response that is complete, or None. `started` is True while it holds bytes of an
    unfinished response or of further ones.
    """

    __slots__ = (
        "_body_start",
        "_chunks",
        "_head",
        "_heads",
        "_held",
        "_slow",
        "_spare",
        "_timing",
        "_usual",
        "_usual_head",
        "missing_bytes",
    )

    def __init__(self, heads: dict[bytes, _Head | None] | None = None) -> None:
        self._heads = {} if heads is None else heads  # shared by all connections to one server
        self._usual_head: bytes | tuple[()] = ()  # the first head of this connection; most equal it
        self._usual = _Head(0, 0, False)
        self._slow: LlhttpParser | None = None
        self._spare: LlhttpParser | None = None  # from response to response: a new one for each would be garbage
        self._held = b""  # an unfinished head
        self._chunks: list[bytes] = []  # an unfinished body
        self.missing_bytes = 0  # of a body of known length
        self._head = _Head(0, 0, False)
        self._timing = b""
        self._body_start = 0

    @property
    def started(self) -> bool:
        """Whether it holds bytes of a response."""
        return bool(self._held or self.missing_bytes or (self._slow and self._slow.started))

    def feed(self, data: bytes) -> HttpResponse | None:
        """Take the next bytes. Raises HttpError."""
        if self.missing_bytes:
            return self._more_body(data)
        if self._slow is not None:
            return self._feed_slow(data)
        if self._held:
            data = self._held + data
            self._held = b""
        if data.startswith(self._usual_head):
            status, length, keep_alive, retry_after = self._usual
            start, size = len(self._usual_head), len(data)
            if size == start + length:
                return _response((status, data[start:], b"", keep_alive, size, retry_after))
        return self._read(data)

    def _read(self, data: bytes) -> HttpResponse | None:
        """Parse the beginning of a response, and perhaps all of it."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return self._hold(data)
        key = data[:end]
        head = self._heads.get(key)
        timing = b""
        if head is None:
            key, timing = split_timing(key)
            head = self._heads.get(key)
            if head is None:
                head = self._learn(key)
                if head is None:
                    return self._feed_slow(data)
        start = end + 4
        if not self._usual_head and not timing:
            self._usual, self._usual_head = head, data[:start]
        stop = start + head.length
        size = len(data)
        if size == stop:
            return _response((head.status, data[start:], timing, head.keep_alive, size, head.retry_after))
        if size > stop:
            self._held = data[stop:].lstrip(_BLANK)
            return _response((head.status, data[start:stop], timing, head.keep_alive, stop, head.retry_after))
        self._head, self._timing, self._body_start = head, timing, start
        self._chunks = [data[start:]]
        self.missing_bytes = stop - size
        return None

    def eof(self) -> HttpResponse | None:
        """The server sent its last byte. Raises HttpError where that cuts a response short."""
        if self._slow is not None:
            response = self._slow.eof()
            if response is not None:
                if not self._slow.started:
                    self._let_go(self._slow)
                return response
        if self.started:
            raise HttpError(CUT_SHORT)
        return None

    def _more_body(self, data: bytes) -> HttpResponse | None:
        self.missing_bytes -= len(data)
        self._chunks.append(data)
        if self.missing_bytes > 0:
            return None
        body = b"".join(self._chunks)
        self._chunks = []
        if self.missing_bytes < 0:
            self._held = body[self.missing_bytes :].lstrip(_BLANK)
            body = body[: self.missing_bytes]
            self.missing_bytes = 0
        head = self._head
        size = self._body_start + len(body)
        return HttpResponse(head.status, body, self._timing, head.keep_alive, size, head.retry_after)

    def _hold(self, data: bytes) -> HttpResponse | None:
        """Keep the bytes of an unfinished head.

        Bytes that do not begin with `HTTP/1.1 `, and lines that end without CR, go to llhttp at once.
        """
        start = data[:9]
        if start != b"HTTP/1.1 "[: len(start)] or data.count(b"\n") != data.count(b"\r\n"):
            return self._feed_slow(data)
        if len(data) > MAX_HEAD_BYTES:
            raise HttpError(f"the head of the response is longer than {MAX_HEAD_BYTES} bytes")
        self._held = data
        return None

    def _learn(self, key: bytes) -> _Head | None:
        if len(key) > MAX_HEAD_BYTES:
            raise HttpError(f"the head of the response is longer than {MAX_HEAD_BYTES} bytes")
        head = parse_head(key)
        if head is not None:
            if len(self._heads) >= MAX_KNOWN_HEADS:
                self._heads.clear()
            self._heads[key] = head
        return head

    def _feed_slow(self, data: bytes) -> HttpResponse | None:
        slow = self._slow = self._slow or self._spare or LlhttpParser()
        response = slow.feed(data)
        if not slow.started:
            self._slow, self._spare = None, slow
            if response is not None and not response.keep_alive:
                self._let_go(slow)
        return response

    def _let_go(self, slow: LlhttpParser) -> None:
        """The connection closes after this response."""
        self._slow = self._spare = None
        slow.release()


def split_timing(head: bytes) -> tuple[bytes, bytes]:
    """A head without its (first) Server-Timing line, and that line's value."""
    start = head.find(_TIMING)
    if start < 0:
        start = head.find(_TIMING_TITLE)
        if start < 0:
            return head, b""
    stop = head.find(b"\n", start + 2) - 1  # a line that ends without CR leaves a head that llhttp must parse
    if stop < 0:
        return head[:start], head[start + len(_TIMING) :].strip()
    return head[:start] + head[stop:], head[start + len(_TIMING) : stop].strip()


def parse_head(head: bytes) -> _Head | None:
    """The content of a plain head; None where llhttp must parse it. Raises HttpError for a body that is too long."""
    match = _HEAD.fullmatch(head)
    if match is None:
        return None
    status, headers = int(match[1]), match[2].lower()
    lengths = _LENGTH.findall(headers)
    if len(lengths) != 1 or headers.count(b"\r\ncontent-length:") != 1 or status in NO_BODY:
        return None
    if any(name in headers for name in _ODD):
        return None
    connection = _CONNECTION.findall(headers)
    if len(connection) > 1 or (connection and connection[0] not in (b"close", b"keep-alive")):
        return None
    length = int(lengths[0])
    if length > MAX_BODY_BYTES:
        raise HttpError(f"the body of the response is longer than {MAX_BODY_BYTES} bytes")
    retry_after = _RETRY_AFTER.search(headers) if status >= REFUSED else None
    date = _DATE.search(headers) if retry_after else None
    wait = in_seconds(retry_after[1], date[1] if date else b"") if retry_after else b""
    return _Head(status, length, connection != [b"close"], wait)
