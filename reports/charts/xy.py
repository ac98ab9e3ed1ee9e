"""Lines with error bars: latency against throughput, and figures against load."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.judge.number_text import figure
from reports.charts.line_names import label_ends
from reports.charts.svg import (
    ACCENT,
    GREY,
    LIMIT,
    MUTED,
    SURFACE,
    drawing,
    lay_out,
    mark_tip,
    of_line,
    series_colour,
    to_svg,
)
from reports.labels import point_label
from reports.units import estimate
from reports.views.curves import hollow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.axis import XAxis, YAxis

    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics
    from reports.views.curves import Axis, PointCurves, PointLine

    Read = Callable[[PointMetrics], Interval | None]

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
_LETTER = 7.0  # units that a letter of a label takes at most
_FAR = 3.0  # times the largest figure: a limit beyond that is named, and leaves the chart to the figures
_LONGEST_BAR = 2.0  # times the largest figure of a chart
_LOG_FROM = 12.0  # a range this many times its lower end deserves a logarithmic axis


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is drawn: a title, what is read off a point for each direction, and a limit to stay under."""

    key: str
    title: str
    x_label: str
    y_label: str
    x: Read
    y: Read
    limit: float | None = None
    limit_label: str = ""
    labelled: bool = False  # each point by its place on the axis of the curves
    log_y: bool = True
    diagonal: bool = False  # where y = x


@dataclass(frozen=True, slots=True)
class _Place:
    """A point on the paper."""

    point: PointMetrics
    x: Interval
    y: Interval


def draw(chart: Chart, curves: PointCurves) -> Markup | None:
    """The chart as an `<svg>` element; None where fewer than two points differ along the axis."""
    placed = [(line, _places(line, chart)) for line in curves.lines]
    shown = [place for _, places in placed for place in places]
    if len(shown) < 2 or (not chart.labelled and len({place.x.value for place in shown}) < 2):
        return None  # nothing varies along the axis
    with drawing() as (paper, axes):
        _scale(axes, chart, curves.axis, shown)
        for line, places in sorted(placed, key=lambda pair: pair[0].index is not None):
            _draw_line(axes, line, places)
        _mark_best(axes, shown, curves.best)
        _mark_limit(axes, chart, shown)
        axes.set_xlabel(chart.x_label)
        axes.set_title(chart.y_label, loc="left", color=MUTED)
        lay_out(paper)
        if chart.labelled:
            _label_points(axes, [(line, places) for line, places in placed if line.index is not None], curves)
        elif len(curves.lines) > 1:
            ends = [(line, places[-1]) for line, places in placed if line.index is not None and places]
            indices = {line.name: line.index for line in curves.coloured}
            label_ends(axes, [(line.name, place.x.value, place.y.value) for line, place in ends], indices)
        marked = [(line, place) for line, places in placed if line.index is not None for place in places]
        tips = _tips(axes, chart, marked)
        return to_svg(paper, chart.key, chart.title, _description(chart, curves), tips)


def _tips(axes: Axes, chart: Chart, marked: Sequence[tuple[PointLine, _Place]]) -> list[str]:
    """Marks every point, and says what its values are."""
    for number, (line, place) in enumerate(marked):
        mark_tip(axes, (place.x.value, place.y.value), number, line.index)
    return [
        f"{point_label(place.point)}: {chart.y_label} {_with_ends(place.y)}; {chart.x_label} {_with_ends(place.x)}"
        for _, place in marked
    ]


def _with_ends(value: Interval) -> str:
    text, ends = estimate(value)
    return f"{text} ({ends})" if ends else text


def _places(line: PointLine, chart: Chart) -> list[_Place]:
    found = [(point, chart.x(point), chart.y(point)) for point in line.points]
    return [_Place(point, x, y) for point, x, y in found if x is not None and y is not None]


def _scale(axes: Axes, chart: Chart, axis: Axis, shown: Sequence[_Place]) -> None:
    xs, ys = [place.x.value for place in shown], [place.y.value for place in shown]
    limits = [_reach([place.y for place in shown])]
    far = chart.limit is not None and _is_far(chart.limit, shown)  # its name then stands at the top, above all labels
    limits += [chart.limit] if chart.limit and not far else []
    if chart.log_y and min(ys) > 0 and max(ys) > _LOG_FROM * min(ys):
        axes.set_yscale("log")
        low, high = min(ys + limits), max(ys + limits)
        axes.set_ylim(low / 1.6, high * (3.0 if far else 1.8))
        _log_ticks(axes, low, high)
    else:
        axes.set_ylim(0, (1.25 if far else 1.12) * max([*ys, *limits, 1e-9]))
        _linear_labels(axes.yaxis, max(ys))
    if not chart.labelled:
        _load_ticks(axes, axis, shown)
    else:
        axes.set_xlim(0, 1.06 * max(_reach([place.x for place in shown]), 1e-9))
        _linear_labels(axes.xaxis, max(xs))
        axes.locator_params(axis="x", nbins=5)


def _reach(estimates: Sequence[Interval]) -> float:
    """The largest figure with its error bar; bars that would dwarf the figures are cut."""
    largest = max(each.value for each in estimates)
    return min(max(each.high or each.value for each in estimates), _LONGEST_BAR * largest)


def _is_far(limit: float, shown: Sequence[_Place]) -> bool:
    return limit > _FAR * _reach([place.y for place in shown])


def _log_ticks(axes: Axes, low: float, high: float) -> None:
    steps = (1, 2, 5) if high < 300 * low else (1,)
    ticks = [
        step * 10.0**power for power in range(-6, 9) for step in steps if low / 1.6 <= step * 10.0**power <= high * 1.8
    ]
    axes.set_yticks(ticks, [figure(tick, 3) for tick in ticks])
    axes.set_yticks([], minor=True)


def _load_ticks(axes: Axes, axis: Axis, shown: Sequence[_Place]) -> None:
    """A tick for each level that was measured, evenly apart where they grow by factors."""
    levels = sorted({place.x.value: axis.text(place.point) for place in shown}.items())
    values = [value for value, _ in levels]
    if values[0] > 0 and values[-1] > _LOG_FROM / 2 * values[0]:
        axes.set_xscale("log")
        axes.set_xlim(values[0] / 1.25, values[-1] * 1.25)
    else:
        axes.set_xlim(
            values[0] - 0.06 * (values[-1] - values[0] or 1), values[-1] + 0.06 * (values[-1] - values[0] or 1)
        )
    step = -(-len(levels) // 8)
    axes.set_xticks(values[::step], [text for _, text in levels[::step]])
    axes.set_xticks([], minor=True)
    axes.grid(visible=False, axis="x")


def _linear_labels(axis: XAxis | YAxis, largest: float) -> None:
    """Ticks in thousands, with a k, where the largest figure has five digits or more."""
    if largest >= 10_000:
        axis.set_major_formatter(lambda value, _: f"{figure(value / 1000, 3)}k" if value else "0")
    else:
        axis.set_major_formatter(lambda value, _: figure(value, 3))


def _draw_line(axes: Axes, line: PointLine, places: Sequence[_Place]) -> None:
    colour = series_colour(line.index)
    grey = line.index is None
    xs, ys = [place.x.value for place in places], [place.y.value for place in places]
    alone = "." if grey and len(places) == 1 else None
    axes.plot(
        xs, ys, color=colour, marker=alone, linewidth=1 if grey else 2, zorder=2 if grey else 3, **of_line(line.index)
    )
    if grey:
        return
    for place in places:
        _error_bars(axes, place, line)
    marker = MARKERS[(line.index or 0) % len(MARKERS)]
    for empty in (False, True):
        some = [place for place in places if hollow(place.point) is empty]
        axes.plot(
            [place.x.value for place in some],
            [place.y.value for place in some],
            linestyle="none",
            marker=marker,
            color=colour,
            markerfacecolor=SURFACE if empty else colour,
            markeredgewidth=1.6,
            zorder=4,
            **of_line(line.index),
        )


def _error_bars(axes: Axes, place: _Place, line: PointLine) -> None:
    x, y = place.x, place.y
    colour = series_colour(line.index)
    style: dict[str, Any] = {"color": colour, "linewidth": 1.2, "alpha": 0.7, "zorder": 3, **of_line(line.index)}
    if x.low is not None and x.high is not None and not x.vague:
        axes.plot([x.low, x.high], [y.value, y.value], **style)
    if y.low is not None and y.high is not None and not y.vague:
        axes.plot([x.value, x.value], [y.low, y.high], **style)


def _mark_best(axes: Axes, shown: Sequence[_Place], best: int | None) -> None:
    for place in shown:
        if place.point.point == best:
            axes.plot([place.x.value], [place.y.value], linestyle="none", marker="o", markersize=15,
                      markerfacecolor="none", markeredgecolor=ACCENT, markeredgewidth=1.6, zorder=5)  # fmt: skip


def _mark_limit(axes: Axes, chart: Chart, shown: Sequence[_Place]) -> None:
    if chart.limit is not None:
        far = _is_far(chart.limit, shown)
        label = f"{chart.limit_label} (above this chart)" if far else chart.limit_label
        y, across, up = (1, "axes fraction", -12) if far else (chart.limit, "data", 4)
        if not far:
            axes.axhline(chart.limit, color=LIMIT, linewidth=1.2, linestyle=(0, (5, 3)), zorder=2)
        axes.annotate(label, (0, y), xycoords=("axes fraction", across), xytext=(3, up),
                      textcoords="offset points", color=LIMIT, fontsize=9.5, annotation_clip=False,
                      zorder=6, bbox={"facecolor": SURFACE, "edgecolor": "none", "pad": 1, "alpha": 0.85})  # fmt: skip
    if chart.diagonal:
        levels = sorted({place.x.value for place in shown})
        axes.plot(levels, levels, color=GREY, linewidth=1.2, linestyle=(0, (2, 2)), zorder=1)


def _label_points(axes: Axes, placed: Sequence[tuple[PointLine, Sequence[_Place]]], curves: PointCurves) -> None:
    """The place of each point on its axis, beside it; left out where it would cover another label."""
    taken: list[tuple[float, float]] = []
    for line, places in placed:
        for place in reversed(places):
            x, y = axes.transData.transform((place.x.value, place.y.value))
            if any(abs(x - other_x) < 17 and abs(y - other_y) < 10 for other_x, other_y in taken):
                continue
            taken.append((x, y))
            sign = "\u2009\u2191" if place.y.low is not None and place.y.high is None else ""
            text = f"{curves.axis.text(place.point)}{sign}"
            away, up = (9, 7) if place.point.point == curves.best else (6, 5)
            covers = x - away - _LETTER * len(text) < axes.bbox.x0  # the numbers of the vertical axis
            right = covers or (_falls_to(place, places) and x + away + _LETTER * len(text) < axes.bbox.x1)
            axes.annotate(text, (place.x.value, place.y.value), xytext=(away if right else -away, up),
                          textcoords="offset points", ha="left" if right else "right", fontsize=9,
                          color=MUTED, **of_line(line.index))  # fmt: skip


def _falls_to(place: _Place, places: Sequence[_Place]) -> bool:
    """Whether the line comes to a point from the upper left, where its label would be."""
    at = places.index(place)
    return any(
        each.x.value < place.x.value and each.y.value > place.y.value for each in places[max(0, at - 1) : at + 2]
    )


def _description(chart: Chart, curves: PointCurves) -> str:
    lines = f"A line per {curves.title}: {', '.join(line.name for line in curves.coloured)}." if curves.title else ""
    others = len(curves.lines) - len(curves.coloured)
    grey = f" {others} more in grey." if others else ""
    limit = f" Limit: {chart.limit_label}." if chart.limit_label else ""
    axes = f" Horizontal: {chart.x_label}. Vertical: {chart.y_label}."
    return f"{lines}{grey}{axes}{limit} The table of points has the figures.".strip()
