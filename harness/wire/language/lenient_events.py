"""Decodes events with NaN, Infinity or half of a surrogate pair, which Python's `json` writes and `msgspec` refuses.

Servers send NaN and Infinity as log probabilities of tokens that cannot come, and half of a pair where a character
comes in two pieces.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeVar

from harness.wire.language.output_stream import DONE, no_event

if TYPE_CHECKING:
    import msgspec

_Event = TypeVar("_Event")
_NO_NUMBER = re.compile(rb'"(?:[^"\\]|\\.)*"|(-?\b(?:NaN|Infinity)\b)', re.DOTALL)
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = re.compile(rb"%b%b|(%b|%b)|\\." % (_HIGH, _LOW, _HIGH, _LOW), re.DOTALL)
_UNREADABLE = rb"\ufffd"  # U+FFFD, which stands for a character that cannot be read


def says_nothing(event: bytes) -> bool:
    """Whether an event holds no document: it is empty, null, or the end of the stream in any form."""
    return event.strip(b' "') in {b"", b"null", DONE}


def decode_leniently(decoder: msgspec.json.Decoder[_Event], event: bytes, kind: str) -> _Event:
    """The event, which `decoder` has refused. Raises StreamError where it is no `kind`, or reports a failure."""
    whole = _HALF.sub(lambda found: _UNREADABLE if found[1] else found[0], event)
    try:
        return decoder.decode(_NO_NUMBER.sub(lambda found: b"null" if found[1] else found[0], whole))
    except (ValueError, RecursionError) as error:
        raise no_event(event, kind) from error
