"""What a scenario declares, asked without importing Locust into this process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from harness.errors import UserError
from harness.mix import RequestClass

ASK_TIMEOUT_S = 60.0


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """The request classes of a locustfile, and how it mixes them (empty: all the same)."""

    classes: dict[str, RequestClass] = msgspec.field(default_factory=lambda: {"predict": RequestClass()})
    mix: str = ""

    def verbs(self, names: set[str]) -> set[str]:
        """What the classes called `names` ask for."""
        return {self.classes[name].verb for name in names}


def read_scenario(path: str) -> Scenario:
    """What the locustfile at `path` declares. Raises UserError where there is none, or it cannot be imported.

    Importing Locust takes a second: a file that does not speak of request classes is not asked.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"--scenario {path}: no such file; run from the checkout, or give its path")
    if "request_classes" not in file.read_text(encoding="utf-8"):
        return Scenario()
    argv = [sys.executable, "-m", "harness.load.locust_declared", path]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"--scenario {path}: importing it took over {ASK_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"--scenario {path}: cannot be imported ({last})")
    return msgspec.json.decode(done.stdout, type=Scenario)
