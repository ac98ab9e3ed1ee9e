"""trend.html: a chart of each figure over the runs, with changes of level and of machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.gate.baseline import UNITS
from reports import units
from reports.rendering import render
from reports.trend.trend_text import run_name, trend_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judge.history.trend import Trend

WIDTH, HEIGHT, EDGE = 640.0, 150.0, 12.0


@dataclass(frozen=True, slots=True)
class TrendDot:
    """One run in a chart: places of its value and of the ends of its interval, and what is shown under the pointer."""

    x: float
    y: float
    low: float
    high: float
    words: str


@dataclass(frozen=True, slots=True)
class TrendChart:
    """One chart; `changes` and `machines` are x-coordinates."""

    title: str
    dots: tuple[TrendDot, ...]
    changes: tuple[tuple[float, str], ...]
    machines: tuple[float, ...]
    highest: str

    @property
    def line(self) -> str:
        """The points of the line through all values."""
        return " ".join(f"{dot.x},{dot.y}" for dot in self.dots)


def trend_html(found: Sequence[Trend]) -> str:
    """The page in one file; trends with changes of level come first."""
    ordered = sorted(found, key=lambda trend: not trend.changes)
    return render(
        "trend.html.j2",
        charts=[_chart(trend) for trend in ordered],
        lines=list(trend_lines(found)),
        width=WIDTH,
        height=HEIGHT,
    )


def _chart(trend: Trend) -> TrendChart:
    unit = UNITS.get(trend.figure, "")
    top = max(entry.high or entry.value for entry in trend.entries) or 1.0
    step = (WIDTH - 2 * EDGE) / max(len(trend.entries) - 1, 1)

    def x(place: float) -> float:
        return round(EDGE + step * place, 1)

    def y(value: float) -> float:
        return round(HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * value / top, 1)

    dots = tuple(
        TrendDot(
            x(place),
            y(entry.value),
            y(entry.value if entry.low is None else max(entry.low, 0.0)),
            y(entry.value if entry.high is None else entry.high),
            f"{run_name(entry)}, {entry.made_at}: {units.number(entry.value, 4)} {unit}".rstrip(),
        )
        for place, entry in enumerate(trend.entries)
    )
    return TrendChart(
        title=f"{trend.label}: {trend.figure}",
        dots=dots,
        changes=tuple((x(each.before + 0.5), f"\u00d7{units.number(each.ratio)}") for each in trend.changes),
        machines=tuple(x(place - 0.5) for place in trend.machines),
        highest=f"{units.number(top, 4)} {unit}".rstrip(),
    )
