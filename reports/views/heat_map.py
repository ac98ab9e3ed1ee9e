"""Two knobs at once: the throughput of each pair of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.findings import Verdict
from harness.judge.number_text import listed
from harness.plan.knobs import format_value
from reports.labels import point_label
from reports.units import number

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from harness.judge.metrics import PointMetrics
    from harness.plan.knobs import Value
    from harness.plan.plan import Plan


@dataclass(frozen=True, slots=True)
class HeatCell:
    """The best point of a pair of values; `share` of the highest throughput in percent."""

    text: str
    words: str
    share: int
    spoiled: bool


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A table; a cell is None where the pair was not measured."""

    row_knob: str
    column_knob: str
    others: str  # further knobs, of which each cell has the best values
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell | None, ...]], ...]


def heat_map(plan: Plan, points: Sequence[PointMetrics]) -> HeatMap | None:
    """The two knobs with the most values against each other; None where fewer than two have several."""
    several = varied_knobs(plan, points)
    if len(several) < 2:
        return None
    values = {name: knob_values(name, points) for name in several}
    columns, rows, *others = sorted(several, key=lambda name: -len(values[name]))
    chosen = best_of_each(points, lambda point: (point.setting[rows], point.setting[columns]))
    best = {(point.setting[rows], point.setting[columns]): point for point in chosen}
    most = max((point.throughput_rps.value for point in best.values()), default=0.0) or 1.0
    return HeatMap(
        row_knob=rows,
        column_knob=columns,
        others=listed(others) if others else "",
        columns=tuple(map(format_value, values[columns])),
        rows=tuple(
            (format_value(row), tuple(_cell(best.get((row, column)), most) for column in values[columns]))
            for row in values[rows]
        ),
    )


def varied_knobs(plan: Plan, points: Sequence[PointMetrics]) -> list[str]:
    """The swept knobs with several values, in the order of the plan; none where two variants are compared."""
    return [] if plan.pairing is not None else [name for name in plan.swept if len(knob_values(name, points)) > 1]


def best_of_each(
    points: Sequence[PointMetrics], key: Callable[[PointMetrics], Hashable], recommended: int | None = None
) -> list[PointMetrics]:
    """Of the points with the same key the best one: the recommended, or the one with the highest rank."""

    def rank(point: PointMetrics) -> tuple[bool, bool, bool, float]:
        return point.point == recommended, *_rank(point)

    best: dict[Hashable, PointMetrics] = {}
    for point in points:
        of_key = best.setdefault(key(point), point)
        if rank(point) > rank(of_key):
            best[key(point)] = point
    return [*best.values()]


def knob_values(name: str, points: Sequence[PointMetrics]) -> list[Value]:
    """The values of a knob in the order of size, or of the plan where they are words."""
    found = dict.fromkeys(point.setting[name] for point in points if name in point.setting)
    return sorted(found, key=lambda value: (isinstance(value, str), 0.0 if isinstance(value, str) else float(value)))


def _rank(point: PointMetrics) -> tuple[bool, bool, float]:
    return point.verdict is not Verdict.INVALID, point.meets_slo is True, point.throughput_rps.value


def _cell(point: PointMetrics | None, most: float) -> HeatCell | None:
    if point is None:
        return None
    rate = point.throughput_rps.value
    words = f"{point_label(point)}: {number(rate)} req/s, {point.verdict}"
    return HeatCell(number(rate), words, round(100 * rate / most), point.verdict is Verdict.INVALID)
