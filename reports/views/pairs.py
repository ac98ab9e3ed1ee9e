"""Two variants that were measured in turn: the figures of their pairs, and how the pairs scatter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.number_text import percent
from harness.judge.paired_result import FAILED, P99, THROUGHPUT
from harness.judge.phrases import level_text, points_text
from reports import units
from reports.charts.gallery import Drawing
from reports.charts.pair_ratios import draw_pairs
from reports.comparison import CHANGE_WORDS
from reports.views.points_table import Cell, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.paired_result import PairedComparison, PairedFigure
    from harness.plan.plan import Plan

MOST_LEVELS = 6  # that are drawn
FEWEST_PAIRS = 3


@dataclass(frozen=True, slots=True)
class Pairs:
    """What the page shows of a comparison of two variants."""

    first: str
    second: str
    margin: str
    table: Table
    drawings: tuple[Drawing, ...]


def pairs_view(plan: Plan, comparison: PairedComparison | None) -> Pairs | None:
    """None where the run compares no variants."""
    if comparison is None:
        return None
    first, second = comparison.variants
    columns = ("Load", "Figure", "Second / first", "Pairs", "Answer")
    rows = tuple(
        tuple(_cells(level_text(plan.points[level.points[0]]), each))
        for level in comparison.levels
        for each in level.figures
    )
    margin = percent(comparison.margin)
    return Pairs(first, second, margin, Table(columns, rows, text_columns=2), tuple(_drawings(plan, comparison)))


def _cells(load: str, each: PairedFigure) -> Iterator[Cell]:
    yield Cell(load, key=load, kind="point")
    yield Cell(each.name, key=each.name, kind="text")
    key = units.machine_number(each.ratio.value)
    if each.name == FAILED:
        yield Cell(points_text(each.ratio), key=key)
    else:
        value, ends = units.estimate(each.ratio)
        yield Cell(f"\u00d7{value}", ends, key=key)
    yield Cell(str(each.pairs), key=str(each.pairs))
    yield Cell(CHANGE_WORDS[each.change], key=each.change, kind="text")


def _drawings(plan: Plan, comparison: PairedComparison) -> Iterator[Drawing]:
    for number, level in enumerate(comparison.levels[:MOST_LEVELS]):
        for each in level.figures:
            if each.name in (THROUGHPUT, P99) and len(each.each_pair) >= FEWEST_PAIRS:
                title = f"{each.name.capitalize()} at {level_text(plan.points[level.points[0]])}"
                yield Drawing(title, draw_pairs(each, f"pairs-{number}-{each.name}", title, comparison.margin))
