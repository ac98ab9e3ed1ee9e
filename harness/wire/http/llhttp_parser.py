"""Parses any HTTP/1 response with llhttp (`httptools`), and adds limits, decompression and the end by close."""

from __future__ import annotations

import re
import zlib
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, NoReturn

import httptools

from harness.wire.failure_text import quoted
from harness.wire.http.retry_after import in_seconds

if TYPE_CHECKING:
    from harness.wire.http.refusal import Refusal

_CHARSET = re.compile(rb";\s*charset=\"?([^\s;\"]+)", re.IGNORECASE)
MAX_HEAD_BYTES = 64 << 10
MAX_BODY_BYTES = 256 << 20
MAX_HEADERS = 4096
MAX_INFORMATIONAL = 100
COMPRESSED = (b"gzip", b"x-gzip", b"deflate")
NO_BODY = (204, 304)  # statuses of responses without a body
NOT_ASKED_FOR = "the request did not ask for it"
_PLAIN_CODINGS = (b"", b"identity", b"chunked")
REFUSED = 400  # statuses from here on
CUT_SHORT = "the connection was closed in the middle of a response"


class HttpError(Exception):
    """The bytes are no HTTP response, one beyond the limits, or one without an answer: a `refusal`, for example."""

    def __init__(self, text: str, refusal: Refusal | None = None) -> None:
        super().__init__(text)
        self.refusal = refusal


class HttpResponse(NamedTuple):
    """One whole response."""

    status: int
    body: bytes
    timing: bytes  # the value of Server-Timing; empty where there is none
    keep_alive: bool
    size_bytes: int  # on the wire, head included
    retry_after: bytes = b""  # Retry-After in seconds; empty where there is none


class LlhttpParser:
    """Turns the bytes of a socket into whole responses, as `ResponseParser` does, but every response through llhttp."""

    missing_bytes = 0  # of a body of known length: llhttp does not tell

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._done: deque[HttpResponse] = deque()
        self._open = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = self._head_size = self._body_size = 0
        self._informational = 0  # responses before the one that answers
        self._in_body = False
        self._failure: HttpError | None = None

    @property
    def started(self) -> bool:
        """Whether it holds bytes of a response."""
        return self._open or bool(self._done)

    def release(self) -> None:
        """Let go of llhttp, which calls back: else both would live until the next garbage collection."""
        del self._parser

    @property
    def location(self) -> str:
        """The header `Location` of the last response; empty where it has none."""
        return self._header(b"location").decode("latin-1")

    @property
    def charset(self) -> str:
        """The charset that `Content-Type` of the last response declares; empty where it declares none."""
        found = _CHARSET.search(self._header(b"content-type"))
        return found[1].decode("latin-1").lower() if found else ""

    @property
    def media_type(self) -> str:
        """What `Content-Type` of the last response declares, without parameters; empty where there is no such line."""
        return self._header(b"content-type").decode("latin-1").partition(";")[0].strip().lower()

    def feed(self, data: bytes) -> HttpResponse | None:
        """Take the next bytes. Raises HttpError."""
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
            raise HttpError(f"the head of the response is longer than {MAX_HEAD_BYTES} bytes")
        return self._done.popleft() if self._done else None

    def _broken(self, error: Exception) -> None:
        if self._failure is not None:
            raise self._failure from error
        if not self._done:
            raise HttpError(f"not an HTTP response: {error}") from error
        # The response is whole; the bytes after it are not HTTP, so the connection cannot be used any further.
        self._done.append(self._done.pop()._replace(keep_alive=False))

    def eof(self) -> HttpResponse | None:
        """The server sent its last byte, which may complete a response. Raises HttpError."""
        if self._done:
            return self._done.popleft()
        framed = any(name in (b"content-length", b"transfer-encoding") for name, _ in self._headers)
        if self._in_body and not framed:
            self._finish(keep_alive=False)
            return self._done.popleft()
        return None

    def cut(self, limit_bytes: int) -> tuple[int, bytes] | None:
        """Status and beginning of an unfinished body that has reached `limit_bytes`; None before. Raises HttpError."""
        if not self._in_body or self._body_size < limit_bytes:
            return None
        if self._header(b"content-encoding").lower() not in (b"", b"identity"):
            raise HttpError(f"the compressed body of the response is longer than {limit_bytes} bytes")
        return self._parser.get_status_code(), b"".join(self._body)[:limit_bytes]

    # llhttp calls the following methods.

    def on_message_begin(self) -> None:
        """A response begins."""
        self._open = True
        self._headers = []
        self._body = []
        self._body_size = 0
        self._in_body = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header line, or one of a trailer. Raises HttpError."""
        self._headers.append((name.lower(), value.strip()))
        if len(self._headers) > MAX_HEADERS:
            self._fail(f"the response has more than {MAX_HEADERS} headers")

    def _fail(self, reason: str) -> NoReturn:
        self._failure = HttpError(reason)
        raise self._failure

    def on_headers_complete(self) -> None:
        """The body follows. Raises HttpError."""
        self._in_body = True
        codings = self._header(b"transfer-encoding")
        if codings in _PLAIN_CODINGS:
            return
        each = codings.lower().replace(b" ", b"").split(b",")
        unasked = next((coding for coding in each if coding not in _PLAIN_CODINGS), None)
        if unasked is not None:
            self._fail(f"the response has the transfer coding {quoted(unasked.decode('latin-1'))}; {NOT_ASKED_FOR}")

    def on_body(self, body: bytes) -> None:
        """A piece of the body. Raises HttpError."""
        self._body_size += len(body)
        if self._body_size > MAX_BODY_BYTES:
            self._fail(f"the body of the response is longer than {MAX_BODY_BYTES} bytes")
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The response is whole. Raises HttpError."""
        if self._parser.get_status_code() < 200:
            self._in_body = False  # informational; the response itself is still to come
            self._informational += 1
            if self._informational > MAX_INFORMATIONAL:
                self._fail(f"more than {MAX_INFORMATIONAL} informational responses came in place of one that answers")
            self._head_size = 0
            return
        self._finish(keep_alive=self._parser.should_keep_alive())

    def _finish(self, *, keep_alive: bool) -> None:
        try:
            body = self._content()
        except HttpError as error:
            self._failure = error
            raise
        status, timing = self._parser.get_status_code(), self._header(b"server-timing")
        retry_after = self._header(b"retry-after") if status >= REFUSED else b""
        retry_after = in_seconds(retry_after, self._header(b"date"))
        self._done.append(HttpResponse(status, body, timing, keep_alive, self._size, retry_after))
        self._open = self._in_body = False
        self._size = self._head_size = self._informational = 0

    def _content(self) -> bytes:
        """The body of the whole response. Raises HttpError."""
        body = b"".join(self._body)
        if not body and self._parser.get_status_code() in NO_BODY:
            return body
        return _decompressed(body, self._header(b"content-encoding"))

    def _header(self, name: bytes) -> bytes:
        return b", ".join(value for header, value in self._headers if header == name)


def _decompressed(body: bytes, encoding: bytes) -> bytes:
    if encoding.lower() in (b"", b"identity"):
        return body
    if encoding.lower() not in COMPRESSED:
        raise HttpError(f"the response is encoded as {quoted(encoding.decode('latin-1'))}; {NOT_ASKED_FOR}")
    plain = bytearray()
    while True:  # a body of gzip may have several members (RFC 1952, section 2.2)
        try:
            inflater = inflater_of(encoding)
            plain += inflater.decompress(body, MAX_BODY_BYTES - len(plain) + 1)
        except zlib.error as error:
            raise HttpError(f"the compressed body of the response is damaged: {error}") from error
        if not inflater.eof or len(plain) > MAX_BODY_BYTES:
            raise HttpError("the compressed body of the response is cut short or too long")
        body = inflater.unused_data
        if not body:
            return bytes(plain)


def inflater_of(encoding: bytes) -> zlib._Decompress:
    """A decompressor for one of COMPRESSED."""
    return zlib.decompressobj(wbits=47 if encoding.lower() != b"deflate" else zlib.MAX_WBITS)
