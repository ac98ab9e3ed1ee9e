"""gate.html: each figure before and after, and how sure their ratio is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.gate.baseline import FAILED, UNITS
from harness.judge.gate.gate_sentence import answer_words, figure_words
from reports import units
from reports.rendering import render

if TYPE_CHECKING:
    from harness.judge.gate.gate_result import GateFigure, GatePoint, GateResult

WIDTH, REACH = 320.0, math.log(2)  # of the drawing; its ends are half and twice


@dataclass(frozen=True, slots=True)
class GateRow:
    """One line of the table; places are x-coordinates of the drawing, None where there is nothing to draw."""

    point: str
    figure: str
    before: str
    after: str
    ratio: str
    answer: str
    low: float | None = None
    middle: float | None = None
    high: float | None = None


def gate_html(result: GateResult) -> str:
    """The page in one file."""
    return render(
        "gate.html.j2",
        result=result,
        answer=answer_words(result.change),
        rows=[_row(point, each) for point in result.points for each in point.figures],
        left_out=[point for point in result.points if point.why],
        width=WIDTH,
        middle=WIDTH / 2,
        band=(_place(1 / (1 + result.effect)), _place(1 + result.effect)),
    )


def _row(point: GatePoint, each: GateFigure) -> GateRow:
    unit = UNITS.get(each.name, "")
    before, after = (f"{units.number(at.value, 4)} {unit}".strip() if at else "" for at in (each.before, each.after))
    low, high = each.ratio.ends
    drawn = each.name != FAILED and each.ratio.value > 0
    return GateRow(
        point=point.label,
        figure=each.name,
        before=before,
        after=after,
        ratio=figure_words(each).removeprefix(f"{each.name} "),
        answer=answer_words(each.change),
        low=_place(low) if drawn else None,
        middle=_place(each.ratio.value) if drawn else None,
        high=_place(high) if drawn else None,
    )


def _place(ratio: float) -> float:
    if ratio <= 0:
        return 0.0
    share = 0.5 + math.log(ratio) / (2 * REACH) if math.isfinite(ratio) else 1.0
    return round(WIDTH * min(max(share, 0.0), 1.0), 1)
