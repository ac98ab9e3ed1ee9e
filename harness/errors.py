"""The three kinds of failure, and the exit code of each.

A mistake of the user (`UserError`, exit 2) names the option or field and the remedy. A failure of the run (`RunError`,
exit 3) is recorded in the run directory before it is raised. Anything else is a fault of this program and keeps its
traceback.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


LONGEST = 120  # characters of a name in a message


class ExitCode(IntEnum):
    """The exit codes of `python -m harness`."""

    OK = 0
    BUG = 1
    USAGE = 2
    RUN_FAILED = 3
    INVALID = 4
    SLO_MISSED = 5
    REGRESSION = 6
    UNAVAILABLE = 7
    CANNOT_BE_SAID = 8
    INTERRUPTED = 130


class SweepspotError(Exception):
    """A failure whose message is complete: one line, no traceback needed."""

    exit_code = ExitCode.BUG


class UserError(SweepspotError):
    """The command line or a file of the user's is wrong. The message begins with what is wrong and ends with a remedy.

    `subject` is the kind of thing that is wrong ("server", "model", ...), where whoever raises the error does not know
    by which option the user gave it: the front end knows, and puts the option in front (`message`).
    """

    exit_code = ExitCode.USAGE

    def __init__(self, text: str, subject: str = "") -> None:
        super().__init__(f"{subject} {text}" if subject else text)
        self.text = text
        self.subject = subject

    def message(self, options: Mapping[str, str]) -> str:
        """The text, after the option that gives its subject; after the subject itself where `options` has none."""
        before = options.get(self.subject, self.subject)
        return f"{before} {self.text}" if before else self.text


class RunError(SweepspotError):
    """The run could not go on; what had been measured until then is on disk."""

    exit_code = ExitCode.RUN_FAILED


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """A `UserError` that names the nearest known name, or all of them where none is near."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
    return UserError(f"unknown {kind} {name!r}: {remedy}")


def escaped(text: str) -> str:
    """`text`, in which control characters but tabs and line feeds are escaped: a terminal would obey a server's."""
    return "".join(ascii(each)[1:-1] if _is_control(each) else each for each in text)


def _is_control(character: str) -> bool:
    return (character < " " and character not in "\t\n") or "\x7f" <= character <= "\x9f"


def shortened(name: str) -> str:
    """The name, with its middle left out where it is very long."""
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[:half]}...{name[-half:]}"
