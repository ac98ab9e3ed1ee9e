"""Reads JSON that a server sent. Whatever it holds becomes a document within bounds or a JsonError, in bounded time.

Beyond RFC 8259 these are refused: nesting deeper than MAX_DEPTH, more than MAX_VALUES values, numbers beyond the range
of a double, halves of surrogate pairs. So no consumer of a document meets infinity, endless recursion or a text that
cannot be written as UTF-8.
"""

from __future__ import annotations

import re
from typing import Any

MAX_DEPTH = 64
MAX_VALUES = 1 << 24
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_OTHER_THAN_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_BOM = b"\xef\xbb\xbf"
_OPENS = (b"[", b"{")


class JsonError(ValueError):
    """The bytes are no JSON, or a document beyond the bounds. The message is one short line."""


def parse_json(content: bytes) -> Any:
    """The document. Whole numbers of 64 bits or less are int, all others are finite floats. Raises JsonError."""
    import orjson

    content = content.removeprefix(_BOM)  # which RFC 8259 lets a parser ignore
    if content.count(b",") >= MAX_VALUES:
        raise JsonError(f"the document has more than {MAX_VALUES} values")
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise JsonError(error.msg[:120]) from error
    if sum(map(content.count, _OPENS)) > MAX_DEPTH and _depth(content) > MAX_DEPTH:
        raise JsonError(f"the document is nested more than {MAX_DEPTH} deep")
    return document


def _depth(content: bytes) -> int:
    """How deep the arrays and objects of a valid document are nested."""
    import numpy as np

    brackets = np.frombuffer(_TEXT.sub(b"", content).translate(None, _OTHER_THAN_BRACKETS), np.uint8)
    steps = np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1)
    return int(np.cumsum(steps).max(initial=0))
