"""Text files of the user's, in UTF-8 or UTF-16, with or without a byte order mark."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def encoding_of(start: bytes) -> str:
    """The encoding of a file that begins with these bytes: UTF-16 where its mark says so, else UTF-8."""
    return "utf-16" if start.startswith(_UTF16) else "utf-8-sig"


def open_table(path: Path) -> TextIO:
    """Open a file of numbers. Characters of another encoding, which only a heading can have, are replaced.

    Raises OSError.
    """
    with path.open("rb") as file:
        encoding = encoding_of(file.read(2))
    return path.open(newline="", encoding=encoding, errors="replace")


def decode(content: bytes) -> str:
    """The whole content as text. Raises UnicodeDecodeError where it is in another encoding."""
    return content.decode(encoding_of(content))
