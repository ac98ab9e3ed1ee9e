"""Reads a piece of a stream that equals an earlier one but for its text, without decoding its JSON again.

Most events of a stream differ in nothing but one string. What such an event does is found out once, by the decoder
itself: the event is read with another text in that place, and what is seen then holds for each text that JSON writes
as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable

MOST_BYTES = 8192  # of an event that is looked at
_PLACE = re.compile(
    rb'"(?:content|reasoning|reasoning_content|text|thinking|delta|partial_json)": ?"([^"\\\x00-\x1f]+)"'
)
_OTHER_TEXT = "another text"
MOST_SHOWN_TEXTS, MOST_SHOWN_BYTES = 1 << 15, 32
SHOWN_TEXTS: dict[bytes, str] = {}  # what `shown_text` found: most pieces are one of some thousand tokens


class Stream(Protocol):
    """The response of a language model as far as it has arrived: `OutputStream`."""

    instants_ns: array[int]
    answer_ns: int

    def feed(self, data: bytes, now_ns: int) -> None:
        """Read the next bytes."""

    @property
    def text(self) -> str:
        """The text of the response."""

    @property
    def is_only_pieces(self) -> bool:
        """Whether whole pieces have arrived, and nothing else that a stream keeps."""


@dataclass(frozen=True, slots=True)
class UsualPiece:
    """The bytes before and after the text of a piece, and what the piece does to its stream."""

    head: bytes
    tail: bytes
    speaks: bool  # the text is part of the response's text
    answers: bool  # the piece is no reasoning
    chunk_tail: bytes  # with the end of the chunk, where the piece is one of HTTP
    chunk_heads: dict[int, bytes]  # with the beginning of a chunk that is so many bytes long in all

    def fits(self, data: bytes) -> bool:
        """Whether `data` has this form, whatever its text."""
        return data.startswith(self.head) and data.endswith(self.tail)

    def text_of(self, data: bytes) -> bytes:
        """The text of a piece of this form; empty where `data` is none."""
        rest = data.removeprefix(self.head)  # in half the time of `startswith`; it returns `data` where it finds none
        text = rest.removesuffix(self.tail)
        return b"" if rest is data or text is rest else text


def shown_text(text: bytes) -> str:
    """The text that JSON writes as these bytes; empty where they are no UTF-8, or say it in another way."""
    try:
        shown = text.decode()
    except UnicodeDecodeError:
        return ""
    if not shown.isprintable() or '"' in shown or "\\" in shown:
        return ""
    if len(text) <= MOST_SHOWN_BYTES and len(SHOWN_TEXTS) < MOST_SHOWN_TEXTS:
        SHOWN_TEXTS[text] = shown
    return shown


def usual_piece(data: bytes, new_stream: Callable[[], Stream]) -> UsualPiece | None:
    """The form of the piece that `data` holds; None where more than its text may matter.

    data: whole events, of which a stream has just read one piece.
    new_stream: makes an empty stream of the same kind.
    """
    places = list(_PLACE.finditer(data)) if len(data) <= MOST_BYTES else []
    if len(places) != 1:
        return None
    start, end = places[0].span(1)
    stream = new_stream()
    for now_ns in (1, 2):  # a second piece of its kind may count for less than the first
        stream.feed(data[:start] + _OTHER_TEXT.encode() + data[end:], now_ns)
    if not stream.is_only_pieces or list(stream.instants_ns) != [1, 2] or stream.text not in ("", 2 * _OTHER_TEXT):
        return None
    tail = data[end:]
    return UsualPiece(data[:start], tail, bool(stream.text), stream.answer_ns == 1, tail + b"\r\n", {})
