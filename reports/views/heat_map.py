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
    from collections.abc import Sequence

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
    values = {name: _values(name, points) for name in plan.swept}
    several = sorted((name for name in values if len(values[name]) > 1), key=lambda name: -len(values[name]))
    if len(several) < 2 or plan.pairing is not None:
        return None
    columns, rows, *others = several
    best: dict[tuple[Value, Value], PointMetrics] = {}
    for point in points:
        pair = (point.setting[rows], point.setting[columns])
        if pair not in best or _rank(point) > _rank(best[pair]):
            best[pair] = point
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


def _values(name: str, points: Sequence[PointMetrics]) -> list[Value]:
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
