"""The command line as the user types it, and as a run records it."""

from __future__ import annotations

import os
import shlex
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import UserError, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = "--header"
MODULE = "python -m harness"
COMMAND = "sweepspot"


def program() -> str:
    """How the user started this program: `sweepspot`, or `python -m harness`."""
    return COMMAND if Path(sys.argv[0]).stem == COMMAND else MODULE


def seconds_since_start() -> float:
    """How long this command has run; 0 where it is no process of its own."""
    context = click.get_current_context(silent=True)
    began_ns = context.find_object(int) if context else None
    return 0.0 if began_ns is None else (monotonic_ns() - began_ns) / NS_PER_S


def as_typed(text: str) -> str:
    """`text`, whose commands begin with `python -m harness` or `harness`, with the name that the user typed."""
    return text.replace(MODULE, program()).replace("`harness ", f"`{program()} ")


def require_utf8(words: Sequence[str], temporary: str = "") -> None:
    """Raise UserError for an argument, or a folder of `temporary` files, that is not UTF-8: no file could hold it."""
    for word in words:
        if not _is_utf8(word):
            raise UserError(f"{shortened(ascii(word))}: this argument is not UTF-8; name the file or folder otherwise")
    if not _is_utf8(temporary):
        raise UserError(f"TMPDIR={shortened(ascii(temporary))} is not UTF-8; name another folder for temporary files")


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def names_given_file(error: OSError, words: Sequence[str]) -> bool:
    """Whether the file that could not be used is one that the user named, or lies in a folder so named."""
    name = error.filename
    if not isinstance(name, str) or not name:
        return False
    return any(word.endswith(name) or word == os.path.dirname(name) for word in words)  # noqa: PTH120


def recorded_command_line(words: Sequence[str]) -> str:
    """The command of these arguments, to be typed again.

    The value of a header may be a secret: it is left out, but for the name of a file (`@FILE`) or variable (`$NAME`).
    """
    kept = [_without_value(word) if before == HEADER else _joined(word) for before, word in pairwise(("", *words))]
    return f"{program()} {shlex.join(kept)}"


def headers_in(words: Sequence[str]) -> list[str]:
    """The headers on a command line as a run records them: `Name: ...`, or whole where the value is only named."""
    flagged = [after for before, after in pairwise(words) if before == HEADER]
    joined = [word.removeprefix(f"{HEADER}=") for word in words if word.startswith(f"{HEADER}=")]
    return [_without_value(header) for header in (*flagged, *joined)]


def headers_again(words: Sequence[str]) -> str:
    """` --header 'Name: ...'` for each header, as a command that resumes a run needs it; empty where there is none."""
    return "".join(f" {HEADER} {shlex.quote(header)}" for header in headers_in(words))


def _joined(word: str) -> str:
    flag, equals, header = word.partition("=")
    return f"{HEADER}={_without_value(header)}" if flag == HEADER and equals else word


def _without_value(header: str) -> str:
    name, colon, value = header.partition(":")
    return header if value.strip().startswith(("@", "$")) else f"{name}{colon} ..."
