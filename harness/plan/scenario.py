"""A scenario: what its locustfile declares, read without importing Locust into this process."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.errors import ExitCode, UserError, unknown_name
from harness.plan.arrivals.load_shape import Shape
from harness.plan.load_knobs import MIX
from harness.plan.request_mix import CHAT, RequestClass, parse_mix
from harness.system.child_process import run_to_end

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.plan.knobs import KnobSet, Value

    Values = dict[str, tuple[Value, ...]]

ASK_TIMEOUT_S = 60.0
EXPLAIN, EXPLAIN_METHOD = "explain", "explain_method"
DEFAULT_METHOD = "integrated-gradients"
DEFAULT_MODEL = "digits-mlp"
OURS = "harness.users"  # what a locustfile imports whose users send the plan's payloads
# Words without which such a locustfile has nothing that must be known before the load.
DECLARED = ("request_classes", "default_model", "default_knobs", "default_options", "wait_time", "HttpUser", "Shape")
SCENARIOS = Path(__file__).parents[2] / "scenarios"


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """The request classes of a locustfile, their mix (empty: equal weights), and its defaults of the load."""

    classes: dict[str, RequestClass] = msgspec.field(default_factory=lambda: {"predict": RequestClass()})
    shape: Shape | None = None  # the load shape that it has; None: users are set by the plan
    own_requests: bool = False  # its users make their own requests alone: none of the classes is asked for
    foreign: bool = False  # none of its users is one of ours, so none knows a target of ours
    mix: str = ""
    model: str = DEFAULT_MODEL  # where the user names none
    knobs: tuple[str, ...] = ()  # name=value, for targets that have the knob; where the user sets none
    defaults: dict[str, str] = {}  # texts of options by name, where the user gives none

    @property
    def own_mix(self) -> str:
        """The scenario's mix, or all of its classes with equal weights."""
        return self.mix or "+".join(self.classes)

    @property
    def chats(self) -> bool:
        """Whether any of its requests is one to a language model."""
        return any(each.verb == CHAT for each in self.classes.values())

    def verbs(self, mix: str) -> set[str]:
        """The verbs of the request classes in `mix`. Raises UserError for a class that the scenario does not have."""
        return {self.classes[name].verb for name in parse_mix(mix, self.classes)}

    def swept_mixes(self, given: tuple[Value, ...] | None, *, bare: bool) -> Values:
        """The mixes that a plan measures, as values of the knob `mix`; empty where the user did not name that knob.

        A `bare` word `mix` means the scenario's first class alone, and then its own mix. Raises UserError.
        """
        if given is None:
            return {}
        if len(self.classes) < 2:
            raise UserError("mix: this scenario has only one request class; choose --scenario explain or mixed")
        texts = (next(iter(self.classes)), self.own_mix) if bare else tuple(map(str, given))
        for text in texts:
            parse_mix(text, self.classes)
        return {MIX: texts}

    def explain_method(self, knobs: KnobSet, values: Mapping[str, tuple[Value, ...]]) -> Values:
        """A value of the knob `explain_method`, where the load asks for explanations and the user chose no method."""
        asked = {verb for text in values.get(MIX, (self.own_mix,)) for verb in self.verbs(str(text))}
        able = any(knob.name == EXPLAIN_METHOD for knob in knobs)
        return {EXPLAIN_METHOD: (DEFAULT_METHOD,)} if able and EXPLAIN in asked and EXPLAIN_METHOD not in values else {}


def find_scenario(name: str) -> str:
    """The path of the locustfile that `name` is, or that of the scenario with this name. Raises UserError.

    `scenarios/predict.py` is the scenario `predict`, where the current folder has no such file.
    """
    ours = SCENARIOS.parent / name
    if name.endswith(".py"):
        return str(ours) if ours.parent == SCENARIOS and ours.is_file() and not Path(name).exists() else name
    if Path(name).is_file():
        raise UserError(f"--scenario {name}: a locustfile is a Python file, and ends in .py")
    known = known_scenarios()
    if name not in known:
        raise unknown_name("--scenario", name, known)
    path = SCENARIOS / f"{name}.py"
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def known_scenarios() -> list[str]:
    """The names of the scenarios of this project."""
    return sorted(file.stem for file in SCENARIOS.glob("*.py") if not file.stem.startswith("_"))


def scenario_name(path: str) -> str:
    """The name by which `find_scenario` finds the locustfile on any machine; the path of one that is not ours."""
    ours = Path(path).is_file() and Path(path).resolve().parent == SCENARIOS.resolve()
    return Path(path).stem if ours else path


def read_scenario(path: str) -> Scenario:
    """What the scenario or locustfile declares. Raises UserError where there is none, or it cannot be imported.

    Importing Locust takes a second, so one of our users that declares nothing is not imported.
    """
    file = Path(find_scenario(path))
    if not file.is_file():
        raise UserError(f"--scenario {path}: no such file; give its path, or the name of a scenario")
    text = file.read_text(encoding="utf-8")
    if OURS in text and not any(name in text for name in DECLARED):
        return Scenario()
    return _import_scenario(str(file), file.stat().st_mtime_ns)


@functools.cache
def _import_scenario(path: str, modified_ns: int) -> Scenario:
    del modified_ns  # part of the key: a file that was changed is imported again
    argv = [sys.executable, "-m", "harness.measure.load.locust.users.describe_scenario", path]
    try:
        done = run_to_end(argv, ASK_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"--scenario {path}: importing it took over {ASK_TIMEOUT_S:.0f} s") from error
    last = (done.stderr.strip().splitlines() or ["no message"])[-1]
    if done.returncode == ExitCode.USAGE:
        raise UserError(f"--scenario {path}: {last}")
    if done.returncode != 0:
        raise UserError(f"--scenario {path}: cannot be imported ({last})")
    return msgspec.json.decode(done.stdout, type=Scenario)
