"""Words the result of a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.gate.baseline import FAILED
from harness.judge.number_text import figure, listed, percent
from harness.judge.phrases import range_text
from harness.judge.significance import Change

if TYPE_CHECKING:
    from harness.judge.gate.gate_result import GateFigure, GatePoint, GateResult

MOST_LISTED = 4


def gate_sentence(result: GateResult) -> str:
    """The answer, the figures that decide it, and the smallest change that such runs find."""
    effect = percent(result.effect)
    decisive = [(point, each) for point in result.points for each in point.figures if each.change is result.change]
    finds = [each.finds for point in result.points for each in point.figures if each.finds is not None]
    power = f" The figures find a change of {percent(max(finds))} or more with 90\u202f% power." if finds else ""
    if result.worse:
        return f"Worse than {result.before}: {_listed(result, decisive)}.{power}"
    if result.said:
        return f"Not worse than {result.before} by more than {effect} in any figure.{power}"
    left_out = [f"{point.label}: {point.why}" for point in result.points if point.why]
    because = _listed(result, decisive) if decisive else listed(left_out[:MOST_LISTED] or ["no point is in both"])
    machine = next((f" {reason}" for reason in result.reasons if reason.startswith("Another machine")), "")
    return f"Whether it is worse than {result.before} by more than {effect} cannot be said: {because}.{machine}{power}"


def _listed(result: GateResult, found: list[tuple[GatePoint, GateFigure]]) -> str:
    several = len(result.points) > 1
    shown = [f"{figure_words(each)}{f' at {point.label}' if several else ''}" for point, each in found[:MOST_LISTED]]
    more = len(found) - len(shown)
    return listed([*shown, f"{more} more"] if more else shown)


def figure_words(each: GateFigure) -> str:
    """`p50 ×1.6 (1.5–1.7)`, or `failures +3 percentage points`."""
    if each.name == FAILED:
        return f"failures {100 * each.ratio.value:+.2g} percentage points"
    return f"{each.name} \u00d7{figure(each.ratio.value, 3)}{range_text(each.ratio, 3)}"


def answer_words(change: Change) -> str:
    """One of the three answers."""
    words = {Change.REGRESSION: "worse", Change.INCONCLUSIVE: "cannot be said"}
    return words.get(change, "not worse")
