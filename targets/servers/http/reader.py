"""Splits the bytes of a connection into requests, without I/O.

`HeadParser` parses the heads. This module does the framing by `Content-Length` or chunks (RFC 9112, sections 6 and 7),
so that a request can be refused before its body is stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from targets.servers.http.head import MAX_HEAD_BYTES, broken
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from targets.servers.http.head import Head, HeadParser

MAX_CHUNK_LINE_BYTES = 4096
ExchangeT = TypeVar("ExchangeT")


class RequestSink(Protocol[ExchangeT]):
    """The receiver of the requests."""

    def begin(self, head: Head) -> ExchangeT | None:
        """Called for each head. None means that the request has its response already and its body is discarded."""

    def complete(self, exchange: ExchangeT, body: bytes) -> None:
        """Called with the complete body of a request for which `begin` returned an exchange."""

    def fail(self, exchange: ExchangeT, error: ProtocolError) -> None:
        """Called where the body of `exchange` is malformed and the connection must close."""


class RequestReader(Generic[ExchangeT]):
    """A state machine: head, body or chunks, then the next head."""

    def __init__(self, heads: HeadParser, sink: RequestSink[ExchangeT], max_body_bytes: int) -> None:
        self._heads = heads
        self._sink = sink
        self._max_body_bytes = max_body_bytes
        self._between: Callable[[bytes], bytes] = self._read_head  # bound once, which makes comparisons cheaper
        self._read: Callable[[bytes], bytes] = self._between
        self._partial = b""  # of a head, or of a chunk's line
        self._body = bytearray()
        self._left_bytes = 0  # of the body, or of the chunk
        self._exchange: ExchangeT | None = None

    @property
    def in_request(self) -> bool:
        """Whether a request is incomplete."""
        return self._read is not self._between or bool(self._partial)

    def feed(self, data: bytes) -> None:
        """Parse bytes, and call the sink for each head and each complete request."""
        while data:
            data = self._read(data)

    def abort(self, error: ProtocolError) -> None:
        """Fail the current request with `error` and ignore all further bytes."""
        self._fail(error)

    def _read_head(self, data: bytes) -> bytes:
        if self._partial:
            data = self._partial + data
            self._partial = b""
        elif data[0] in b"\r\n":  # empty lines before a request are allowed (RFC 9112, 2.2)
            data = data.lstrip(b"\r\n")
        end = data.find(b"\r\n\r\n") + 4
        if end == 3:
            return self._wait_for_head(data)
        if end > MAX_HEAD_BYTES:
            return self._fail(ProtocolError(431, f"the head is larger than {MAX_HEAD_BYTES} bytes"))
        head = self._heads.parse(data[:end])
        exchange = self._sink.begin(head)
        if head.chunked:
            return self._start_chunks(exchange, data[end:])
        stop = end + head.content_length
        if len(data) < stop:
            return self._start_body(exchange, head.content_length, data[end:])
        if exchange is not None:
            self._sink.complete(exchange, data[end:stop])
        return data[stop:]

    def _wait_for_head(self, data: bytes) -> bytes:
        self._partial = data
        if len(self._partial) > MAX_HEAD_BYTES:
            return self._fail(ProtocolError(431, f"the head is larger than {MAX_HEAD_BYTES} bytes"))
        return b""

    def _start_body(self, exchange: ExchangeT | None, length: int, data: bytes) -> bytes:
        self._exchange = exchange
        self._left_bytes = length
        self._read = self._read_body
        return data

    def _read_body(self, data: bytes) -> bytes:
        part = data[: self._left_bytes]
        self._left_bytes -= len(part)
        if self._exchange is not None:
            self._body += part
        if not self._left_bytes:
            self._finish()
        return data[len(part) :]

    def _finish(self) -> None:
        exchange, body = self._exchange, bytes(self._body)
        self._exchange = None
        self._body = bytearray()
        self._read = self._between
        if exchange is not None:
            self._sink.complete(exchange, body)

    def _start_chunks(self, exchange: ExchangeT | None, data: bytes) -> bytes:
        self._exchange = exchange
        self._read = self._read_chunk_size
        return data

    def _line(self, data: bytes) -> tuple[bytes | None, bytes]:
        data = self._partial + data
        line, found, rest = data.partition(b"\r\n")
        self._partial = b"" if found else data
        if len(self._partial) > MAX_CHUNK_LINE_BYTES:
            self._partial = b""
            return None, self._fail(ProtocolError(400, "malformed chunk"))
        return (line, rest) if found else (None, b"")

    def _read_chunk_size(self, data: bytes) -> bytes:
        line, rest = self._line(data)
        if line is None:
            return rest
        size = line.partition(b";")[0].strip()
        if not size or size.strip(b"0123456789abcdefABCDEF"):
            return self._fail(ProtocolError(400, "malformed chunk size"))
        self._left_bytes = int(size, 16)
        if len(self._body) + self._left_bytes > self._max_body_bytes:
            return self._fail(ProtocolError(413, f"the body is larger than {self._max_body_bytes} bytes"))
        self._read = self._read_chunk if self._left_bytes else self._read_trailer
        return rest

    def _read_chunk(self, data: bytes) -> bytes:
        part = data[: self._left_bytes]
        self._left_bytes -= len(part)
        if self._exchange is not None:
            self._body += part
        if not self._left_bytes:
            self._read = self._read_chunk_end
        return data[len(part) :]

    def _read_chunk_end(self, data: bytes) -> bytes:
        line, rest = self._line(data)
        if line:
            return self._fail(ProtocolError(400, "a chunk is longer than its size says"))
        if line is not None:
            self._read = self._read_chunk_size
        return rest

    def _read_trailer(self, data: bytes) -> bytes:
        line, rest = self._line(data)
        if line == b"":
            self._finish()
        return rest

    def _fail(self, error: ProtocolError) -> bytes:
        self._partial = b""
        self._read = _ignore
        if self._exchange is None:
            self._sink.begin(broken(error))
        else:
            self._sink.fail(self._exchange, error)
        return b""


def _ignore(data: bytes) -> bytes:
    del data
    return b""
