"""A figure per setting: its mean with the interval, and a small dot for every seed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.judge.number_text import figure
from reports.charts.nines import scale_nines
from reports.charts.svg import ACCENT, MUTED, SURFACE, drawing, series_colour, to_svg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes

    from harness.judge.interval import Interval

_ROOM = 0.12  # of the range, above and below
_MOST_NAMES = 8  # side by side; more are slanted
_SLANT = 35


class Scale(StrEnum):
    """How the vertical axis runs: from zero; around the figures; or, for accuracies, with the same room per nine."""

    FROM_ZERO = "from zero"
    AROUND = "around"
    NINES = "nines"


@dataclass(frozen=True, slots=True)
class ValueDot:
    """One setting: its name, its mean, and the figures of its seeds."""

    name: str
    estimate: Interval
    seeds: tuple[float, ...]
    best: bool = False
    hollow: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChart:
    """What is drawn: settings side by side in their order, evenly apart."""

    key: str
    title: str
    x_label: str
    y_label: str
    dots: tuple[ValueDot, ...]
    scale: Scale
    joined: bool  # the settings are numbers: a line shows how the figure moves with them


def draw_values(chart: ValueChart) -> Markup | None:
    """The chart as an `<svg>` element; None where fewer than two settings have the figure."""
    if len(chart.dots) < 2:
        return None
    with drawing() as (paper, axes):
        places = range(len(chart.dots))
        _scale(axes, chart)
        if chart.joined:
            axes.plot(
                places, [dot.estimate.value for dot in chart.dots], color=series_colour(0), linewidth=1.6, zorder=2
            )
        for place, dot in zip(places, chart.dots, strict=True):
            _draw_dot(axes, place, dot)
        slanted = len(chart.dots) > _MOST_NAMES or max(len(dot.name) for dot in chart.dots) > 56 // len(chart.dots)
        axes.set_xticks(list(places), [dot.name for dot in chart.dots])
        if slanted:
            axes.tick_params(axis="x", labelrotation=_SLANT)
            for text in axes.get_xticklabels():
                text.set_horizontalalignment("right")
        axes.grid(visible=False, axis="x")
        axes.set_xlabel(chart.x_label)
        axes.set_title(chart.y_label, loc="left", color=MUTED)
        described = ", ".join(f"{dot.name}: {figure(dot.estimate.value, 3)}" for dot in chart.dots)
        return to_svg(paper, chart.key, chart.title, f"{chart.y_label} by {chart.x_label}: {described}.")


def _scale(axes: Axes, chart: ValueChart) -> None:
    shown = [value for dot in chart.dots for value in _reach(dot)]
    low, high = min(shown), max(shown)
    axes.set_xlim(-0.5, len(chart.dots) - 0.5)
    if chart.scale is Scale.NINES:
        scale_nines(axes, low, high)
        return
    room = _ROOM * ((high - low) or abs(high) or 1.0)
    axes.set_ylim(0 if chart.scale is Scale.FROM_ZERO and low >= 0 else low - room, high + room)
    if high >= 10_000:
        axes.yaxis.set_major_formatter(lambda value, _: f"{figure(value / 1000, 3)}k" if value else "0")
    else:
        axes.yaxis.set_major_formatter(lambda value, _: figure(value, 3))


def _reach(dot: ValueDot) -> Sequence[float]:
    return [dot.estimate.value, *dot.seeds, *(end for end in (dot.estimate.low, dot.estimate.high) if end is not None)]


def _draw_dot(axes: Axes, place: int, dot: ValueDot) -> None:
    colour = series_colour(0)
    if len(dot.seeds) > 1:
        axes.plot([place] * len(dot.seeds), dot.seeds, linestyle="none", marker="o", markersize=3.5, color=colour,
                  alpha=0.45, zorder=3)  # fmt: skip
    if dot.estimate.low is not None and dot.estimate.high is not None:
        axes.plot(
            [place, place], [dot.estimate.low, dot.estimate.high], color=colour, linewidth=1.4, alpha=0.8, zorder=3
        )
    axes.plot([place], [dot.estimate.value], linestyle="none", marker="o", color=colour, markeredgewidth=1.6,
              markerfacecolor=SURFACE if dot.hollow else colour, zorder=4)  # fmt: skip
    if dot.best:
        axes.plot([place], [dot.estimate.value], linestyle="none", marker="o", markersize=15, markerfacecolor="none",
                  markeredgecolor=ACCENT, markeredgewidth=1.6, zorder=5)  # fmt: skip
