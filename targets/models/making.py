"""A process that makes files: it says how far it is, or what the user can mend, as lines of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from harness.errors import RunError, UserError

if TYPE_CHECKING:
    from harness.plan.target_spec import Progress


def run_maker(what: str, words: list[str], progress: Progress) -> None:
    """Run `python -m WORDS...`. Raises UserError with what it says the user can mend, RunError where it fails."""
    argv = [sys.executable, "-m", *words]
    complaint = ""
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as maker:
        for line in maker.stdout or ():
            said = json.loads(line)
            if isinstance(said, dict):
                complaint = str(said["error"])
            else:
                progress(*said)
    if complaint:
        raise UserError(complaint)
    if maker.returncode:
        raise RunError(f"{what} failed with exit code {maker.returncode}; its own words are above")
