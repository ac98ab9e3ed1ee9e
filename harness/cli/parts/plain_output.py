"""Lets tables and sentences be printed where standard output is ASCII only, as with LANG=C."""

from __future__ import annotations

import codecs
import io
import sys

_PLAIN = {
    "≤": "<=",
    "≥": ">=",
    "–": "-",
    "\u2212": "-",
    "…": "...",
    "─": "-",
    "━": "-",
    "╸": "-",
    "│": "|",
    "\u2019": "'",
}
_PLAIN |= {"\u00a0": " ", "\u202f": " ", "·": ".", "×": "x", "µ": "u", "→": "->", "±": "+-"}
_HANDLER = "sweepspot.plain"


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in characters), error.end


def allow_plain_output() -> None:
    """Have standard output and error replace the characters that they cannot show."""
    codecs.register_error(_HANDLER, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)
