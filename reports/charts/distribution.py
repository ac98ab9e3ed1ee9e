"""The response times of a point from the median to the tail, drawn by hand: small, and each value can be asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reports.charts.histogram import histogram
from reports.labels import point_label
from reports.point_csv import data_url, histogram_csv, timeline_csv
from reports.units import latency, percentile_name, with_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.metrics import PointMetrics, Quantile
    from reports.charts.histogram import Histogram

WIDTH, HEIGHT, LEFT, BOTTOM = 320, 170, 24, 22
FIRST, LAST = 0.3, 3.0  # minus the decimal logarithm of the share that is slower: p50 and p99.9
PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
FEWEST = 2  # percentiles that make a line


@dataclass(frozen=True, slots=True)
class PercentileDot:
    """One percentile: its place, the places of the ends of its interval, and its values in words."""

    x: float
    y: float
    low: float | None
    high: float | None
    words: str


@dataclass(frozen=True, slots=True)
class PercentileTick:
    """A name on the axis."""

    x: float
    name: str


@dataclass(frozen=True, slots=True)
class Distribution:
    """One chart."""

    point: int
    title: str
    dots: tuple[PercentileDot, ...]
    ticks: tuple[PercentileTick, ...]
    top: str
    spread: Histogram | None = None
    timeline_csv: str = ""  # an address that holds the data
    histogram_csv: str = ""
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def line(self) -> str:
        """The points of the line."""
        return " ".join(f"{dot.x},{dot.y}" for dot in self.dots)

    @property
    def band(self) -> str:
        """The corners of the band between the ends of the intervals; "" where fewer than two are known."""
        known = [dot for dot in self.dots if dot.low is not None and dot.high is not None]
        corners = [(dot.x, dot.high) for dot in known] + [(dot.x, dot.low) for dot in reversed(known)]
        return " ".join(f"{x},{y}" for x, y in corners) if len(known) > 1 else ""


def has_distribution(point: PointMetrics) -> bool:
    """Whether a point has percentiles enough for a chart."""
    return len(_known(point)) >= FEWEST


def distributions(points: Sequence[PointMetrics]) -> list[Distribution]:
    """A chart of each point with two percentiles or more."""
    return [chart for point in points if (chart := _distribution(point)) is not None]


def _distribution(point: PointMetrics) -> Distribution | None:
    known = _known(point)
    if len(known) < FEWEST:
        return None
    top_ms = max(_end(each) for each in known)
    return Distribution(
        point=point.point,
        title=point_label(point) or "the point",
        dots=tuple(_dots(known, top_ms)),
        ticks=tuple(PercentileTick(_x(each.p), percentile_name(each.p)) for each in known),
        top=with_unit(top_ms, "ms"),
        spread=histogram(point.spread),
        timeline_csv=data_url(timeline_csv(point)) if any(trial.timeline.t_s for trial in point.trials) else "",
        histogram_csv=data_url(histogram_csv(point)) if point.spread else "",
    )


def _known(point: PointMetrics) -> list[Quantile]:
    asked = [point.response.at(p) for p in PERCENTILES]
    return [each for each in asked if each is not None and each.value_ms is not None and not each.only_bound]


def _dots(known: Sequence[Quantile], top_ms: float) -> Iterator[PercentileDot]:
    for each in known:
        value, ends = latency(each)
        words = f"{percentile_name(each.p)}: {value} ms" + (f" ({ends})" if ends else "")
        low, high = each.low_ms, each.high_ms
        drawn = low is not None and high is not None and not each.vague
        yield PercentileDot(
            _x(each.p),
            _y(each.value_ms or 0.0, top_ms),
            _y(low or 0.0, top_ms) if drawn else None,
            _y(min(high or 0.0, top_ms), top_ms) if drawn else None,
            words,
        )


def _end(quantile: Quantile) -> float:
    """The upper end of the interval, but no more than twice the value: a long bar would dwarf the rest."""
    value_ms = quantile.value_ms or 0.0
    return min(quantile.high_ms or value_ms, 2 * value_ms) or 1e-9


def _x(p: float) -> float:
    share = (-math.log10(1 - p) - FIRST) / (LAST - FIRST)
    return round(LEFT + share * (WIDTH - 2 * LEFT), 1)


def _y(value_ms: float, top_ms: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - 14) * value_ms / top_ms, 1)
