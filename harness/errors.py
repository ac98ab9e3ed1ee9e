"""The three kinds of failure and the exit code of each.

The user's (`UserError`, exit 2) name the flag or field and the remedy. The run's (`RunError`, exit 3)
are recorded in the run directory before they are raised. Anything else is ours and keeps its traceback.
"""

from __future__ import annotations

from difflib import get_close_matches
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """What `python -m harness` answers to its shell."""

    OK = 0
    BUG = 1
    USAGE = 2
    RUN_FAILED = 3
    INVALID = 4
    SLO_MISSED = 5
    REGRESSION = 6
    CANNOT_BE_SAID = 7
    INTERRUPTED = 130


class SweepspotError(Exception):
    """A failure whose message is complete: one line, no traceback needed."""

    exit_code = ExitCode.BUG


class UserError(SweepspotError):
    """The command line or a file of the user's is wrong; the message names it and the remedy."""

    exit_code = ExitCode.USAGE


class RunError(SweepspotError):
    """The run could not go on; what had been measured until then is on disk."""

    exit_code = ExitCode.RUN_FAILED


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UserError:
    """A `UserError` that names the nearest known name, or all of them where none is near."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
    return UserError(f"unknown {kind} {name!r}: {remedy}")
