"""Lets tables and sentences be printed to any output: ASCII only (LANG=C), full, closed, or a pipe that ends early."""

from __future__ import annotations

import codecs
import io
import os
import select
import sys
from typing import Any

_PLAIN = {
    "≤": "<=",
    "≥": ">=",
    "↑": "^",
    "–": "-",
    "\u2212": "-",
    "…": "...",
    "─": "-",
    "━": "-",
    "╸": "-",
    "│": "|",
    "\u2019": "'",
    "≈": "~",
    "✓": "v",
    "✗": "x",
}
_PLAIN |= {"\u00a0": " ", "\u202f": " ", "·": ".", "×": "x", "µ": "u", "→": "->", "±": "+-"}
_HANDLER = "sweepspot.plain"
PATIENCE_S = 10.0  # with a pipe that is full and does not block


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character, "?") for character in characters), error.end


class _UnfailingFile(io.FileIO):
    """A descriptor to which every write succeeds; `failure` is what the first one that did not said."""

    failure: OSError | None = None

    def write(self, content: Any) -> int:
        """Write as much as the other side takes, and drop the rest."""
        rest = memoryview(content).cast("B")
        while len(rest) and self.failure is None:
            try:
                done = super().write(rest)
                if done is None and not select.select([], [self], [], PATIENCE_S)[1]:
                    raise TimeoutError("nobody reads it")
                rest = rest[done or 0 :]
            except OSError as error:
                self.failure = error
        return memoryview(content).nbytes


def allow_plain_output() -> None:
    """Have standard output and error print what they can, and never fail.

    Characters that they cannot show are replaced. What a closed or full stream, or a pipe without a reader, cannot
    take is dropped: no result is lost because it could not be printed.
    """
    codecs.register_error(_HANDLER, _plain)
    _open_standard_descriptors()
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and stream is not getattr(sys, f"__{name}__"):  # a test's, or an embedding program's
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors=_HANDLER)
            continue
        descriptor = {"stdout": 1, "stderr": 2}[name]
        file = _UnfailingFile(descriptor, "wb", closefd=False)
        text = io.TextIOWrapper(
            io.BufferedWriter(file),
            encoding=getattr(stream, "encoding", "utf-8"),
            errors=_HANDLER,
            line_buffering=name == "stderr" or file.isatty(),
        )
        setattr(sys, name, text)


def warn_of_lost_output() -> None:
    """Print on standard error why standard output did not take everything; a reader that has gone knows it."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    file = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    failure = file.failure if isinstance(file, _UnfailingFile) else None
    if failure is not None and not isinstance(failure, BrokenPipeError):
        print(f"standard output did not take everything ({failure.strerror or failure})", file=sys.stderr)


def _open_standard_descriptors() -> None:
    """Open those that are closed as /dev/null: else the next file that is opened would be standard output."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
