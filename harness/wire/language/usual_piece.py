"""Reads a piece of a stream that equals an earlier one but for its text, without decoding its JSON again.

Most events of a stream differ in nothing but one string. What such an event does is found out once, by the decoder
itself: the event is read with another text in that place, and what is seen then holds for each text that JSON writes
as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable

MOST_BYTES = 8192  # of an event that is looked at
_PLACE = re.compile(
    rb'"(?:content|reasoning|reasoning_content|text|thinking|delta|partial_json)": ?"([^"\\\x00-\x1f]+)"'
)
_OTHER_TEXT = "another text"


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


class UsualPiece(NamedTuple):
    """The bytes before and after the text of a piece, and what the piece does to its stream."""

    head: bytes
    tail: bytes
    speaks: bool  # the text is part of the response's text
    answers: bool  # the piece is no reasoning

    def fits(self, data: bytes) -> bool:
        """Whether `data` has this form, whatever its text."""
        return data.startswith(self.head) and data.endswith(self.tail)

    def text_of(self, data: bytes) -> str:
        """The text of a piece of this form; empty where `data` is none."""
        rest = data.removeprefix(self.head)  # in half the time of `startswith`; it returns `data` where it finds none
        text = rest.removesuffix(self.tail)
        if rest is data or text is rest:
            return ""
        try:
            shown = text.decode()
        except UnicodeDecodeError:
            return ""
        return shown if shown.isprintable() and '"' not in shown and "\\" not in shown else ""


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
    return UsualPiece(data[:start], data[end:], speaks=bool(stream.text), answers=stream.answer_ns == 1)
