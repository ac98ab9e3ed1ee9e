"""HTTP/1.1 answers, parsed incrementally and without I/O.

An answer whose head is that of the first one is one comparison and one slice. Another common one (status line,
Content-Length, nothing odd) is one search for the end of the head, one look-up of a head seen before, one slice.
Everything else goes through llhttp (`httptools`): chunked, close-delimited, informational, compressed, folded or
repeated headers, HTTP/1.0.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from functools import partial
from typing import NamedTuple

import httptools

MAX_HEAD_BYTES = 64 << 10
MAX_BODY_BYTES = 256 << 20
MAX_KNOWN_HEADS = 1024

_TEXT = rb"[\t\x20-\x7e\x80-\xff]*"
_HEAD = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)(?: %b)?((?:\r\n[!#$%%&'*+\-.^_`|~0-9A-Za-z]+:%b)*)" % (_TEXT, _TEXT))
_ODD = (b"\r\ntransfer-encoding:", b"\r\ncontent-encoding:", b"\r\nupgrade:", b"\r\nserver-timing:")
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*(?=\r\n|$)")
_CONNECTION = re.compile(rb"\r\nconnection:[ \t]*([^\r\n]*?)[ \t]*(?=\r\n|$)")
_TIMING = b"\r\nserver-timing:"
_TIMING_TITLE = b"\r\nServer-Timing:"
_NO_BODY = (204, 304)


class HttpError(Exception):
    """The bytes are not an HTTP answer, or one beyond the bounds."""


class Answer(NamedTuple):
    """One whole answer."""

    status: int
    body: bytes
    timing: bytes  # the value of Server-Timing; empty where there was none
    keep_alive: bool
    size_bytes: int  # on the wire, head included


class _Head(NamedTuple):
    """What a head without its Server-Timing says."""

    status: int
    length: int
    keep_alive: bool


_answer = partial(tuple.__new__, Answer)  # from a tuple: in half the time that the class's own constructor takes


class AnswerParser:
    """Feed it what the socket gives; it yields whole answers in order.

    `feed` and `eof` return the first answer that is complete, or None. `started` tells whether bytes of an
    unfinished answer, or of further ones, are waiting inside.
    """

    __slots__ = (
        "_body_start",
        "_chunks",
        "_head",
        "_heads",
        "_held",
        "_slow",
        "_timing",
        "_usual",
        "_usual_head",
        "missing_bytes",
    )

    def __init__(self, heads: dict[bytes, _Head | None] | None = None) -> None:
        self._heads = {} if heads is None else heads  # shared by all connections to one server
        self._usual_head: bytes | tuple[()] = ()  # the first head over this connection; most are like it
        self._usual = _Head(0, 0, False)
        self._slow: _SlowParser | None = None
        self._held = b""  # an unfinished head
        self._chunks: list[bytes] = []  # an unfinished body
        self.missing_bytes = 0  # of a body of known length
        self._head = _Head(0, 0, False)
        self._timing = b""
        self._body_start = 0

    @property
    def started(self) -> bool:
        """Whether something is waiting inside."""
        return bool(self._held or self.missing_bytes or (self._slow and self._slow.started))

    def feed(self, data: bytes) -> Answer | None:
        """Take the next bytes. Raises HttpError."""
        if self.missing_bytes:
            return self._more_body(data)
        if self._slow is not None:
            return self._feed_slow(data)
        if self._held:
            data = self._held + data
            self._held = b""
        if data.startswith(self._usual_head):
            status, length, keep_alive = self._usual
            start, size = len(self._usual_head), len(data)
            if size == start + length:
                return _answer((status, data[start:], b"", keep_alive, size))
        return self._read(data)

    def _read(self, data: bytes) -> Answer | None:
        """The beginning of an answer, and perhaps all of it."""
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
            return _answer((head.status, data[start:], timing, head.keep_alive, size))
        if size > stop:
            self._held = data[stop:]
            return _answer((head.status, data[start:stop], timing, head.keep_alive, stop))
        self._head, self._timing, self._body_start = head, timing, start
        self._chunks = [data[start:]]
        self.missing_bytes = stop - size
        return None

    def eof(self) -> Answer | None:
        """The peer sent its last byte. Raises HttpError where that cuts an answer short."""
        if self._slow is not None:
            answer = self._slow.eof()
            if answer is not None:
                return answer
        if self.started:
            raise HttpError("the connection was closed in the middle of an answer")
        return None

    def _more_body(self, data: bytes) -> Answer | None:
        self.missing_bytes -= len(data)
        self._chunks.append(data)
        if self.missing_bytes > 0:
            return None
        body = b"".join(self._chunks)
        self._chunks = []
        if self.missing_bytes < 0:
            self._held = body[self.missing_bytes :]
            body = body[: self.missing_bytes]
            self.missing_bytes = 0
        head = self._head
        return Answer(head.status, body, self._timing, head.keep_alive, self._body_start + len(body))

    def _hold(self, data: bytes) -> Answer | None:
        """No end of head yet. Bytes that cannot begin an answer of the fast path go to llhttp at once."""
        start = data[:9]
        if start != b"HTTP/1.1 "[: len(start)]:
            return self._feed_slow(data)
        if len(data) > MAX_HEAD_BYTES:
            raise HttpError(f"the head of the answer is longer than {MAX_HEAD_BYTES} bytes")
        self._held = data
        return None

    def _learn(self, key: bytes) -> _Head | None:
        if len(key) > MAX_HEAD_BYTES:
            raise HttpError(f"the head of the answer is longer than {MAX_HEAD_BYTES} bytes")
        head = parse_head(key)
        if head is not None:
            if len(self._heads) >= MAX_KNOWN_HEADS:
                self._heads.clear()
            self._heads[key] = head
        return head

    def _feed_slow(self, data: bytes) -> Answer | None:
        if self._slow is None:
            self._slow = _SlowParser()
        answer = self._slow.feed(data)
        if not self._slow.started:
            self._slow = None
        return answer


def split_timing(head: bytes) -> tuple[bytes, bytes]:
    """A head without its (first) Server-Timing line, and that line's value."""
    start = head.find(_TIMING)
    if start < 0:
        start = head.find(_TIMING_TITLE)
        if start < 0:
            return head, b""
    stop = head.find(b"\r\n", start + 2)
    if stop < 0:
        return head[:start], head[start + len(_TIMING) :].strip()
    return head[:start] + head[stop:], head[start + len(_TIMING) : stop].strip()


def parse_head(head: bytes) -> _Head | None:
    """What a plain head says; None where it is for llhttp to judge."""
    match = _HEAD.fullmatch(head)
    if match is None:
        return None
    status, headers = int(match[1]), match[2].lower()
    lengths = _LENGTH.findall(headers)
    if len(lengths) != 1 or headers.count(b"\r\ncontent-length:") != 1 or status in _NO_BODY:
        return None
    if any(name in headers for name in _ODD):
        return None
    connection = _CONNECTION.findall(headers)
    if len(connection) > 1 or (connection and connection[0] not in (b"close", b"keep-alive")):
        return None
    length = int(lengths[0])
    if length > MAX_BODY_BYTES:
        raise HttpError(f"the body of the answer is longer than {MAX_BODY_BYTES} bytes")
    return _Head(status, length, connection != [b"close"])


class _SlowParser:
    """llhttp, with the bounds, decompression and the end by close that it leaves to its user."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._done: deque[Answer] = deque()
        self._open = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = self._head_size = self._body_size = 0
        self._in_body = False
        self._failure: HttpError | None = None

    @property
    def started(self) -> bool:
        return self._open or bool(self._done)

    def feed(self, data: bytes) -> Answer | None:
        self._open = self._open or not self._done
        self._size += len(data)
        if not self._in_body:
            self._head_size += len(data)
        try:
            if data:
                self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as error:
            raise HttpError("the server asks for another protocol") from error
        except httptools.HttpParserError as error:
            self._broken(error)
        if not self._in_body and self._open and self._head_size > MAX_HEAD_BYTES:
            raise HttpError(f"the head of the answer is longer than {MAX_HEAD_BYTES} bytes")
        return self._done.popleft() if self._done else None

    def _broken(self, error: Exception) -> None:
        if self._failure is not None:
            raise self._failure from error
        if not self._done:
            raise HttpError(f"not an HTTP answer: {error}") from error
        # The answer is whole; what came after it is not, so nothing more can come over this connection.
        last = self._done.pop()
        self._done.append(Answer(last.status, last.body, last.timing, False, last.size_bytes))
        self._open = False

    def eof(self) -> Answer | None:
        if self._done:
            return self._done.popleft()
        framed = any(name in (b"content-length", b"transfer-encoding") for name, _ in self._headers)
        if self._in_body and not framed:
            self._finish(keep_alive=False)
            return self._done.popleft()
        return None

    # What follows is called by llhttp.

    def on_message_begin(self) -> None:
        self._open = True
        self._headers = []
        self._body = []
        self._body_size = 0
        self._in_body = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value.strip()))

    def on_headers_complete(self) -> None:
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self._body_size > MAX_BODY_BYTES:
            self._failure = HttpError(f"the body of the answer is longer than {MAX_BODY_BYTES} bytes")
            raise self._failure
        self._body.append(body)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:
            self._in_body = False  # informational; the answer itself is still to come
            self._head_size = 0
            return
        self._finish(keep_alive=self._parser.should_keep_alive())

    def _finish(self, *, keep_alive: bool) -> None:
        try:
            body = _decoded(b"".join(self._body), self._header(b"content-encoding"))
        except HttpError as error:
            self._failure = error
            raise
        timing = self._header(b"server-timing")
        self._done.append(Answer(self._parser.get_status_code(), body, timing, keep_alive, self._size))
        self._open = self._in_body = False
        self._size = self._head_size = 0

    def _header(self, name: bytes) -> bytes:
        return b", ".join(value for header, value in self._headers if header == name)


def _decoded(body: bytes, encoding: bytes) -> bytes:
    if encoding.lower() in (b"", b"identity"):
        return body
    if encoding.lower() not in (b"gzip", b"x-gzip", b"deflate"):
        raise HttpError(f"the answer is encoded as {encoding[:40].decode('latin-1')}, which was not asked for")
    try:
        inflater = zlib.decompressobj(wbits=47 if encoding.lower() != b"deflate" else zlib.MAX_WBITS)
        plain = inflater.decompress(body, MAX_BODY_BYTES)
    except zlib.error as error:
        raise HttpError(f"the compressed body of the answer is damaged: {error}") from error
    if not inflater.eof:
        raise HttpError("the compressed body of the answer is cut short or too long")
    return plain
