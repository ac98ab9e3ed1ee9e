"""Many knobs at once: an axis for each knob and figure, a line for each setting at its best load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.findings import Verdict
from harness.judge.number_text import figure
from harness.plan.knobs import format_value
from reports.labels import point_label
from reports.units import latency, number
from reports.views.heat_map import best_of_each, knob_values, varied_knobs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judge.metrics import PointMetrics
    from harness.plan.knobs import Value
    from harness.plan.plan import Plan

WIDTH, HEIGHT, TOP, BOTTOM, SIDE = 760, 300, 40, 16, 60
MOST_SETTINGS = 120
_NAME = 20  # signs of the name of an axis


@dataclass(frozen=True, slots=True)
class ParallelAxis:
    """A knob with its values, or a figure with the ends of its range; `marks` are heights and texts."""

    x: float
    name: str
    marks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class ParallelLine:
    """A setting; `share` of the highest throughput in percent."""

    points: str
    words: str
    share: int
    best: bool
    spoiled: bool


@dataclass(frozen=True, slots=True)
class Parallel:
    """The whole drawing."""

    axes: tuple[ParallelAxis, ...]
    lines: tuple[ParallelLine, ...]
    left_out: int
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, slots=True)
class _Scale:
    """Heights of the values of one axis."""

    name: str
    heights: dict[int, float]  # by number of the point
    marks: tuple[tuple[float, str], ...]


def parallel(plan: Plan, points: Sequence[PointMetrics], best: int | None) -> Parallel | None:
    """The drawing; None where fewer than two knobs have several values."""
    knobs = varied_knobs(plan, points)
    if len(knobs) < 2:
        return None
    every = best_of_each(points, lambda point: tuple(point.setting.values()), best)
    shown = sorted(every, key=lambda point: -point.throughput_rps.value)[:MOST_SETTINGS]
    scales = [_of_knob(name, knob_values(name, points), shown) for name in knobs]
    scales.append(_of_figure("req/s", {point.point: point.throughput_rps.value for point in shown}))
    tails = {point.point: point.response.at(0.99) for point in shown}
    known = {number: tail.value_ms for number, tail in tails.items() if tail is not None and tail.value_ms is not None}
    if known:
        scales.append(_of_figure("p99, ms", known))
    step = (WIDTH - 2 * SIDE) / (len(scales) - 1)
    places = [SIDE + place * step for place in range(len(scales))]
    most = max(point.throughput_rps.value for point in shown) or 1.0
    return Parallel(
        axes=tuple(
            ParallelAxis(round(x, 1), _short(each.name), each.marks) for x, each in zip(places, scales, strict=True)
        ),
        lines=tuple(_line(point, scales, places, most, best) for point in reversed(shown)),  # the best is drawn last
        left_out=len(every) - len(shown),
    )


def _line(
    point: PointMetrics, scales: Sequence[_Scale], places: Sequence[float], most: float, best: int | None
) -> ParallelLine:
    corners = [
        f"{x:.1f},{scale.heights[point.point]:.1f}"
        for x, scale in zip(places, scales, strict=True)
        if point.point in scale.heights
    ]
    tail, _ = latency(point.response.at(0.99))
    rate = point.throughput_rps.value
    return ParallelLine(
        points=" ".join(corners),
        words=f"{point_label(point)}: {number(rate)} req/s, p99 {tail} ms, {point.verdict}",
        share=round(100 * rate / most),
        best=point.point == best,
        spoiled=point.verdict is Verdict.INVALID,
    )


def _of_knob(name: str, values: Sequence[Value], points: Sequence[PointMetrics]) -> _Scale:
    """Evenly apart, in the order of size or of the plan."""
    heights = {value: _height(place / max(1, len(values) - 1)) for place, value in enumerate(values)}
    shown = values if len(values) <= 12 else values[:: -(-len(values) // 12)]
    return _Scale(
        name,
        {point.point: heights[point.setting[name]] for point in points},
        tuple((heights[value], _short(format_value(value))) for value in shown),
    )


def _of_figure(name: str, figures: dict[int, float]) -> _Scale:
    top = max(figures.values()) or 1.0
    marks = tuple((_height(share), figure(share * top, 3)) for share in (0.0, 0.5, 1.0))
    return _Scale(name, {point: _height(value / top) for point, value in figures.items()}, marks)


def _height(share: float) -> float:
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _short(text: str) -> str:
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}\u2026"
