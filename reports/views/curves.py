"""Which points make a line in a chart, and what lies on its axis: the same choice for every chart of a page."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.checks.target import SATURATED
from harness.judge.findings import Verdict
from harness.judge.number_text import figure
from harness.plan.knobs import format_value
from reports.labels import load_label, load_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.judge.metrics import PointMetrics
    from harness.judge.run_result import RunResult
    from harness.plan.knobs import Value

MAX_LINES = 8  # colours of more are too alike; the rest is drawn grey


@dataclass(frozen=True, slots=True)
class PointLine:
    """Points that belong together, in the order of the axis; `index` picks its colour and its marker."""

    name: str
    points: tuple[PointMetrics, ...]
    index: int | None  # None: one of many, drawn grey


@dataclass(frozen=True, slots=True)
class Axis:
    """What is varied along a line: the load level, or a knob where there is one load level only."""

    label: str
    knob: str | None = None
    asked_rate: bool = False

    def value(self, point: PointMetrics) -> float | None:
        """Where a point lies; None where its place is no number."""
        if self.knob is None:
            return load_number(point)
        value = point.setting[self.knob]
        return None if isinstance(value, str) else float(value)

    def text(self, point: PointMetrics) -> str:
        """What a point is called along its line."""
        if self.knob is not None:
            return format_value(point.setting[self.knob])
        number = load_number(point)
        return load_label(point) if number is None else figure(number, 4)


@dataclass(frozen=True, slots=True)
class PointCurves:
    """All lines of a run; `ordered`: the names are numbers, so colours go from low to high."""

    title: str  # what distinguishes the lines: `batch_size`
    lines: tuple[PointLine, ...]
    axis: Axis
    ordered: bool
    best: int | None  # number of the recommended point

    @property
    def coloured(self) -> tuple[PointLine, ...]:
        """The lines with a colour of their own."""
        return tuple(line for line in self.lines if line.index is not None)


def hollow(point: PointMetrics) -> bool:
    """Whether a point is drawn hollow: not to be believed, or at a load that the target cannot bear."""
    saturated = any(finding.kind == SATURATED.name for finding in point.findings)
    return point.verdict is Verdict.INVALID or saturated


def curves(result: RunResult) -> PointCurves:
    """Lines over load, one per setting; over the knob instead where only that was varied."""
    points = _of_one_kind(result.points)
    settings = list(dict.fromkeys(_key(point.setting.values()) for point in points))
    loads = dict.fromkeys(load_label(point) for point in points)
    names = list(points[0].setting) if points else []
    if len(loads) == 1 and len(names) == 1 and len(settings) > 1:
        line = PointLine(next(iter(loads)), _along(points, Axis(names[0], knob=names[0])), 0)
        return PointCurves(
            "", (line,), Axis(names[0], knob=names[0]), ordered=True, best=result.recommendation.best_point
        )
    by_setting: dict[tuple[str, ...], list[PointMetrics]] = defaultdict(list)
    for point in points:
        by_setting[_key(point.setting.values())].append(point)
    axis = _load_axis(points)
    chosen = _most_telling(by_setting, result)
    lines = tuple(
        PointLine(", ".join(key) or "the target", _along(members, axis), chosen.get(key))
        for key, members in by_setting.items()
    )
    numeric = not any(isinstance(value, str) for point in points for value in point.setting.values())
    return PointCurves(", ".join(names), lines, axis, ordered=numeric, best=result.recommendation.best_point)


def _of_one_kind(points: Sequence[PointMetrics]) -> Sequence[PointMetrics]:
    """Where there are open-loop points, those alone: a closed loop beside them has no rate that was asked for."""
    return [point for point in points if point.rate_target_rps is not None] or points


def _load_axis(points: Sequence[PointMetrics]) -> Axis:
    if any(point.concurrency is not None for point in points):
        return Axis("Users (concurrency)")
    return Axis("Asked rate, requests/s", asked_rate=True)


def _key(values: Iterable[Value]) -> tuple[str, ...]:
    return tuple(" ".join(format_value(value).split()) for value in values)


def _along(points: Sequence[PointMetrics], axis: Axis) -> tuple[PointMetrics, ...]:
    def place(point: PointMetrics) -> tuple[float, int]:
        value = axis.value(point)
        return (float(point.point) if value is None else value), point.point

    return tuple(sorted(points, key=place))


def _most_telling(
    by_setting: dict[tuple[str, ...], list[PointMetrics]], result: RunResult
) -> dict[tuple[str, ...], int]:
    """The lines that get a colour, in the order of the plan: best and baseline, then those with most throughput."""
    named = {result.recommendation.best_point, result.recommendation.baseline_point}

    def rank(key: tuple[str, ...]) -> tuple[bool, float]:
        members = by_setting[key]
        believed = [point.throughput_rps.value for point in members if point.verdict is not Verdict.INVALID]
        return all(point.point not in named for point in members), -max(believed, default=0.0)

    chosen = set(sorted(by_setting, key=rank)[:MAX_LINES])
    return {key: index for index, key in enumerate(key for key in by_setting if key in chosen)}
