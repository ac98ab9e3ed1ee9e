"""The command line as a run records it."""

from __future__ import annotations

import shlex
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADER = "--header"


def recorded_command_line(words: Sequence[str]) -> str:
    """The command of these arguments, to be typed again.

    The value of a header may be a secret: it is left out, but for the name of a file (`@FILE`) or variable (`$NAME`).
    """
    kept = [_without_value(word) if before == HEADER else _joined(word) for before, word in pairwise(("", *words))]
    return shlex.join(["python", "-m", "harness", *kept])


def _joined(word: str) -> str:
    flag, equals, header = word.partition("=")
    return f"{HEADER}={_without_value(header)}" if flag == HEADER and equals else word


def _without_value(header: str) -> str:
    name, colon, value = header.partition(":")
    return header if value.strip().startswith(("@", "$")) else f"{name}{colon} ..."
