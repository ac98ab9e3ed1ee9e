"""Words the result of a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.gate.baseline import FAILED
from harness.judge.number_text import figure, listed, percent
from harness.judge.phrases import points_text, range_text
from harness.judge.significance import Change

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.gate.gate_result import GateFigure, GateResult

MOST_LISTED = 4


def gate_sentence(result: GateResult) -> str:
    """The answer, the figures that decide it, and the smallest change that such runs find."""
    effect = percent(result.effect)
    finds = [each.finds for point in result.points for each in point.figures if each.finds is not None]
    power = f" The figures find a change of {percent(max(finds))} or more with 90\u202f% power." if finds else ""
    if result.worse:
        return f"Worse than {result.before}: {_listed([*_decisive(result)])}.{power}"
    if result.said:
        return f"Not worse than {result.before} by more than {effect} in any figure.{power}"
    left_out = [f"{point.label}: {point.why}" for point in result.points if point.why]
    because = _listed([*_decisive(result)] or left_out or ["no point is in both"])
    machine = next((f" {reason}" for reason in result.reasons if reason.startswith("Another machine")), "")
    return f"Whether it is worse than {result.before} by more than {effect} cannot be said: {because}.{machine}{power}"


def _decisive(result: GateResult) -> Iterator[str]:
    """The figures whose answer is that of the whole; of a point that is worse by none of them, why it is."""
    for point in result.points:
        where = f" at {point.label}" if len(result.points) > 1 else ""
        found = [f"{figure_words(each)}{where}" for each in point.figures if each.change is result.change]
        yield from found or ([f"{point.why}{where}"] if result.worse and point.change is result.change else [])


def _listed(texts: list[str]) -> str:
    more = len(texts) - MOST_LISTED
    return listed([*texts[:MOST_LISTED], *([f"{more} more"] if more > 0 else [])])


def figure_words(each: GateFigure) -> str:
    """`p50 ×1.6 (1.5–1.7)`, or `failures +3 (+2 to +4) percentage points`."""
    if each.name == FAILED:
        return f"failures {points_text(each.ratio)}"
    return f"{each.name} \u00d7{figure(each.ratio.value, 3)}{range_text(each.ratio, 3)}"


def answer_words(change: Change) -> str:
    """One of the three answers."""
    words = {Change.REGRESSION: "worse", Change.INCONCLUSIVE: "cannot be said"}
    return words.get(change, "not worse")
