"""The request classes of a scenario in a plan: which mixes are measured, and what the target needs for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.plan.plan import MIX
from harness.plan.request_mix import parse_mix

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from harness.plan.knobs import KnobSet, Value
    from harness.plan.make_plan import Request
    from harness.plan.scenario import Scenario

    Values = dict[str, tuple[Value, ...]]

EXPLAIN_METHOD = "explain_method"
DEFAULT_METHOD = "integrated-gradients"


def mixes(request: Request, scenario: Scenario, given: tuple[Value, ...] | None) -> Values:
    """The mixes that the plan measures; nothing where the scenario's own is the only one.

    A bare `mix` means the scenario's first class alone, and then its own mix. Raises UserError.
    """
    if given is None:
        return {}
    if len(scenario.classes) < 2:
        raise UserError(
            f"mix: {request.scenario} has only one request class; choose --scenario scenarios/explain.py or mixed.py"
        )
    texts = (next(iter(scenario.classes)), _own(scenario)) if MIX in request.words else tuple(map(str, given))
    for text in texts:
        parse_mix(text, scenario.classes)
    return {MIX: texts}


def explaining(knobs: KnobSet, scenario: Scenario, values: Mapping[str, tuple[Value, ...]]) -> Values:
    """A method for a target that can explain, where the load asks for explanations and the user chose none."""
    texts = [str(text) for text in values.get(MIX, (_own(scenario),))]
    asked = {name for text in texts for name in parse_mix(text, scenario.classes)}
    if "explain" not in scenario.verbs(asked) or EXPLAIN_METHOD in values or not _has(knobs, EXPLAIN_METHOD):
        return {}
    return {EXPLAIN_METHOD: (DEFAULT_METHOD,)}


def _own(scenario: Scenario) -> str:
    return scenario.mix or "+".join(scenario.classes)


def _has(knobs: Iterable[object], name: str) -> bool:
    return any(getattr(knob, "name", "") == name for knob in knobs)
