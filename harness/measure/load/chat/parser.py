"""Parses a streamed response as it arrives: llhttp for the HTTP framing, `OutputStream` for the events in it."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Protocol

from harness.clock import monotonic_ns
from harness.wire.failure_text import body_text
from harness.wire.http.llhttp_parser import (
    COMPRESSED,
    CUT_SHORT,
    MAX_BODY_BYTES,
    HttpError,
    HttpResponse,
    LlhttpParser,
    inflater_of,
)
from harness.wire.http.refusal import refusal_in
from harness.wire.language.output_stream import StreamError

if TYPE_CHECKING:
    from harness.wire.language.output_stream import OutputStream
    from harness.wire.language.usual_piece import UsualPiece

EVENT_STREAM = b"text/event-stream"
OK, REDIRECTED = 200, 300
MAX_INFLATED_BYTES = 1 << 22  # of one piece
MAX_FIRST_PIECES = 16  # of a body that are looked at to find out whether it is a stream of events
_CRLF = b"\r\n"
_FIELD = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:data|event|id|retry|error)?:")  # how a stream of events begins


def _chunk_heads(most_bytes: int) -> list[bytes]:
    """How a chunk begins that is so many bytes long in all: with its size, as most servers write it."""
    heads = [b"none"] * most_bytes  # no chunk begins so
    for size in range(1, most_bytes):
        head = b"%x\r\n" % size
        if (length := len(head) + size + len(_CRLF)) < most_bytes:
            heads[length] = head
    return heads


_CHUNK_HEADS = _chunk_heads(1 << 13)
_LONGEST = len(_CHUNK_HEADS)
LONGEST_SIZE = 12  # of the line that says how long a chunk is
# Sizes of chunks as most servers write them; llhttp reads the others.
_SIZES = {word % size: size for size in range(1, _LONGEST) for word in (b"%x", b"%X")}


class StreamHolder(Protocol):
    """Has the stream that the next response belongs to."""

    stream: OutputStream


class StreamParser(LlhttpParser):
    """The parser of a connection whose responses are streams.

    A response is whole when its HTTP body is; its `body` is the text of the stream. A response that is no success is
    parsed like any other. A success that is no stream of events is an error, which quotes it. A body of another type
    is a stream of events where it begins like one.
    """

    def __init__(self, holder: StreamHolder) -> None:
        super().__init__()
        self._holder = holder
        self._now_ns = 0
        self.read_ns = 0  # when what `feed` is given was read; 0: now
        self._streams = False  # the body that arrives is a stream of events
        self._inflater: zlib._Decompress | None = None
        self._chunk_ended = False
        self._between_chunks = False  # of a stream that is not compressed

    def takes_piece(self, data: bytes, now_ns: int) -> bool:
        """Read the bytes that arrived at `now_ns` if they are a piece as most are; else `feed` must read them."""
        stream, size = self._holder.stream, len(data)
        usual = stream.usual
        if usual is None or not self._between_chunks or size >= _LONGEST or self._body_size >= MAX_BODY_BYTES - size:
            return False
        head = usual.chunk_heads.get(size) or self._learn_head(usual, size)
        rest = data.removeprefix(head)  # it returns `data` where it finds none
        text = rest.removesuffix(usual.chunk_tail)
        if rest is data or text is rest or not stream.takes_text(text, now_ns):
            return False
        self._size += size
        self._body_size += size
        return True

    @staticmethod
    def _learn_head(usual: UsualPiece, size: int) -> bytes:
        """How a chunk begins that is `size` bytes long in all and holds one usual piece."""
        head = usual.chunk_heads[size] = _CHUNK_HEADS[size] + usual.head
        return head

    def feed(self, data: bytes) -> HttpResponse | None:
        """Take the next bytes, and pass the events among them on to the stream. Raises HttpError."""
        self._now_ns = self.read_ns or monotonic_ns()
        if self._between_chunks:
            data = self._after_chunks(data)
            if not data:
                return None
        response = super().feed(data)
        if self._in_body and self._body:
            self._pass_on()
        plain = self._streams and self._inflater is None
        self._between_chunks = plain and self._in_body and self._chunk_ended and data.endswith(_CRLF)
        return response

    def _after_chunks(self, data: bytes) -> bytes:
        """Pass the whole chunks at the beginning of `data` on to the stream. Returns what follows. Raises HttpError."""
        at, feed, now_ns = self._usual_chunks(data), self._holder.stream.feed, self._now_ns
        room = MAX_BODY_BYTES - self._body_size
        try:
            while (line := data.find(_CRLF, at, at + LONGEST_SIZE)) > 0:
                size = _SIZES.get(data[at:line], 0)
                end = line + 2 + size
                if not size or end > room or data[end : end + 2] != _CRLF:
                    break
                feed(data[line + 2 : end], now_ns)
                at = end + 2
        except StreamError as error:
            raise HttpError(str(error), error.refusal) from error
        self._count(at)
        return data[at:]

    def _usual_chunks(self, data: bytes) -> int:
        """Pass on the chunks at the beginning of `data` that hold one usual piece each. Returns their length."""
        stream, now_ns, at = self._holder.stream, self._now_ns, 0
        usual = stream.usual
        if usual is None or self._body_size >= MAX_BODY_BYTES - len(data):
            return 0
        for part in data.split(usual.chunk_tail)[:-1]:
            size = len(part) + len(usual.chunk_tail)
            if size >= _LONGEST:
                break
            text = part.removeprefix(usual.chunk_heads.get(size) or self._learn_head(usual, size))
            if text is part or not stream.takes_text(text, now_ns):
                break
            at += size
        return at

    def _count(self, size_bytes: int) -> None:
        self._size += size_bytes
        self._body_size += size_bytes

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._chunk_ended = False

    def on_chunk_complete(self) -> None:
        """A chunk is whole."""
        self._chunk_ended = True

    def eof(self) -> HttpResponse | None:
        """The server sent its last byte. Raises HttpError where that cuts a response short."""
        response = super().eof()
        if response is None and self.started:
            cut = self._streams and self._holder.stream.instants_ns
            raise HttpError("the stream was cut: the connection was closed in the middle" if cut else CUT_SHORT)
        return response

    def on_headers_complete(self) -> None:
        """The body follows."""
        super().on_headers_complete()
        expected = self._succeeds and self._holder.stream.streamed
        self._streams = expected and self._header(b"content-type").lower().startswith(EVENT_STREAM)
        compressed = self._header(b"content-encoding").lower() in COMPRESSED
        self._inflater = inflater_of(self._header(b"content-encoding")) if compressed else None

    @property
    def _succeeds(self) -> bool:
        return OK <= int(self._parser.get_status_code()) < REDIRECTED

    def _pass_on(self) -> None:
        """Give the stream the pieces of the body that have arrived since the last call."""
        if not self._streams:
            if not self._holder.stream.streamed:
                return
            if self._inflater or not self._succeeds or len(self._body) > MAX_FIRST_PIECES:
                return
            if not _FIELD.match(b"".join(self._body)):
                return
            self._streams = True
        data = b"".join(self._body)
        self._body.clear()
        self._give(self._plain(data) if self._inflater else data, self._now_ns)

    def _give(self, data: bytes, now_ns: int) -> None:
        """Pass a part of the stream on that arrived at `now_ns`. Raises HttpError."""
        try:
            self._holder.stream.feed(data, now_ns)
        except StreamError as error:
            raise HttpError(str(error), error.refusal) from error

    def _plain(self, data: bytes) -> bytes:
        """A compressed piece of the body, decompressed. Raises HttpError."""
        plain = b""
        while data and (inflater := self._inflater):
            if inflater.eof:  # the next member of gzip
                self._inflater = inflater = inflater_of(self._header(b"content-encoding"))
            try:
                plain += inflater.decompress(data, MAX_INFLATED_BYTES - len(plain) + 1)
            except zlib.error as error:
                raise HttpError(f"the compressed body of the response is damaged: {error}") from error
            if inflater.unconsumed_tail or len(plain) > MAX_INFLATED_BYTES:
                raise HttpError(f"a piece of the compressed stream is longer than {MAX_INFLATED_BYTES} bytes")
            data = inflater.unused_data
        return plain

    def _content(self) -> bytes:
        if not self._succeeds:
            return super()._content()
        if self._body:
            self._pass_on()
        stream = self._holder.stream
        if not self._streams and stream.streamed:
            raise self._no_stream()
        try:
            if self._streams:
                stream.end()
            else:
                stream.document(super()._content(), self._now_ns)
        except StreamError as error:
            raise HttpError(str(error), error.refusal) from error
        return stream.text.encode()

    def _no_stream(self) -> HttpError:
        """The error of a body that is no stream of events; it quotes what came."""
        kind = self._header(b"content-type").decode("latin-1")[:60] or "of no type"
        body = super()._content()
        said = f"no event stream, but {kind}: {body_text(body) or 'an empty body'}"
        return HttpError(f"HTTP {self._parser.get_status_code()}: {said}", refusal_in(body))
