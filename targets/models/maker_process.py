"""Runs a child process that makes files and reports progress or a user error as lines of JSON.

A line is `[stage, done, total]` or `{"error": message}`. The child calls `report_progress` and `exit_code_of`.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from harness.errors import RunError, UserError
from targets.engines.quiet_import import require_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.plan.target_spec import Progress


def run_maker(what: str, words: list[str], progress: Progress, *, needs_tensorflow: bool = True) -> None:
    """Run `python -m WORDS...`.

    Raises UserError with the error that the child reports or where TensorFlow is missing, RunError where it fails.
    """
    if needs_tensorflow:
        require_tensorflow(what)
    argv = [sys.executable, "-m", *words]
    user_error = ""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as maker:
        for line in maker.stdout or ():
            message = json.loads(line)
            if isinstance(message, dict):
                user_error = str(message["error"])
            else:
                progress(*message)
    if user_error:
        raise UserError(user_error)
    if maker.returncode:
        raise RunError(f"{what} failed with exit code {maker.returncode}; its output is above")


def report_progress(stage: str, done: int, total: int) -> None:
    """Report progress to the parent."""
    print(json.dumps([stage, done, total]), flush=True)


def exit_code_of(make: Callable[[], None]) -> int:
    """Run `make` and return the exit code of the child; a user error is reported to the parent."""
    try:
        make()
    except UserError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return int(error.exit_code)
    return 0
