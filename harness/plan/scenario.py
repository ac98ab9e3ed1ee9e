"""What a scenario declares, asked without importing Locust into this process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec

from harness.errors import UserError, unknown_name
from harness.plan.request_mix import RequestClass

ASK_TIMEOUT_S = 60.0
DEFAULT_MODEL = "digits-mlp"
DECLARED = ("request_classes", "default_model", "default_knobs")
SCENARIOS = Path(__file__).parents[2] / "scenarios"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """The request classes of a locustfile, how it mixes them (empty: all the same), and its model and knobs."""

    classes: dict[str, RequestClass] = msgspec.field(default_factory=lambda: {"predict": RequestClass()})
    mix: str = ""
    model: str = DEFAULT_MODEL  # where the user names none
    knobs: tuple[str, ...] = ()  # name=value of the target, where the user does not say otherwise

    def verbs(self, names: set[str]) -> set[str]:
        """What the classes called `names` ask for."""
        return {self.classes[name].verb for name in names}


def find_scenario(name: str) -> str:
    """The path of a locustfile: `name` itself, or that of the scenario called so. Raises UserError."""
    if name.endswith(".py"):
        return name
    if Path(name).is_file():
        raise UserError(f"--scenario {name}: a locustfile is a Python file, and ends in .py")
    known = sorted(file.stem for file in SCENARIOS.glob("*.py") if not file.stem.startswith("_"))
    if name not in known:
        raise unknown_name("--scenario", name, known)
    path = SCENARIOS / f"{name}.py"
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def scenario_name(path: str) -> str:
    """What `find_scenario` finds the locustfile at `path` by, from any checkout; the path of one that is not ours."""
    ours = Path(path).resolve().parent == SCENARIOS.resolve()
    return Path(path).stem if ours else path


def read_scenario(path: str) -> Scenario:
    """What the locustfile at `path` declares. Raises UserError where there is none, or it cannot be imported.

    Importing Locust takes a second: a file that declares nothing of its own is not asked.
    """
    file = Path(path)
    if not file.is_file():
        raise UserError(f"--scenario {path}: no such file; run from the checkout, or give its path")
    if not any(name in file.read_text(encoding="utf-8") for name in DECLARED):
        return Scenario()
    argv = [sys.executable, "-m", "harness.measure.load.locust.describe_scenario", path]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"--scenario {path}: importing it took over {ASK_TIMEOUT_S:.0f} s") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"--scenario {path}: cannot be imported ({last})")
    return msgspec.json.decode(done.stdout, type=Scenario)
