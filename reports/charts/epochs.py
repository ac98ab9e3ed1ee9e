"""Curves over epochs: a line per setting, its band the lowest and highest of its seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.number_text import figure
from reports.charts.line_names import label_ends
from reports.charts.nines import scale_nines
from reports.charts.svg import MUTED, drawing, lay_out, series_colour, to_svg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup
    from matplotlib.axes import Axes

    from harness.training.training_metrics import Curve

_LOG_FROM = 12.0  # a range this many times its lower end deserves a logarithmic axis
_FEWEST_EPOCHS = 2


@dataclass(frozen=True, slots=True)
class EpochLine:
    """One curve: its name, its colour (None: grey), and whether it is dashed."""

    name: str
    curve: Curve
    index: int | None
    dashed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochChart:
    """What is drawn. `accuracy`: the axis gives each further nine the same room, as the last percents are the story."""

    key: str
    title: str
    y_label: str
    accuracy: bool
    lines: tuple[EpochLine, ...]


def draw_epochs(chart: EpochChart) -> Markup | None:
    """The chart as an `<svg>` element; None where no line has two epochs."""
    lines = [line for line in chart.lines if len(line.curve.epochs) >= _FEWEST_EPOCHS]
    if not lines:
        return None
    with drawing() as (paper, axes):
        _scale(axes, chart, lines)
        for line in lines:
            _draw_line(axes, line)
        axes.set_xlabel("Epoch")
        axes.set_title(chart.y_label, loc="left", color=MUTED)
        lay_out(paper)
        if len(lines) > 1:
            named = [line for line in lines if line.index is not None]
            label_ends(axes, [(line.name, line.curve.epochs[-1], line.curve.values[-1]) for line in named])
        description = f"Over epochs: {', '.join(line.name for line in lines)}. Vertical: {chart.y_label}."
        return to_svg(paper, chart.key, chart.title, description)


def _scale(axes: Axes, chart: EpochChart, lines: Sequence[EpochLine]) -> None:
    last = max(line.curve.epochs[-1] for line in lines)
    axes.set_xlim(1, last)
    axes.locator_params(axis="x", integer=True)
    low = min(min(line.curve.low) for line in lines)
    high = max(max(line.curve.high) for line in lines)
    if chart.accuracy:
        scale_nines(axes, 0.0, high)
    elif low > 0 and high > _LOG_FROM * low:
        axes.set_yscale("log")
        ticks = [step * 10.0**power for power in range(-6, 9) for step in (1, 3)]
        shown = [tick for tick in ticks if low / 1.3 <= tick <= high * 1.3]
        axes.set_yticks(shown, [figure(tick, 2) for tick in shown])
        axes.set_yticks([], minor=True)
    else:
        axes.set_ylim(0, 1.06 * high)
    axes.grid(visible=False, axis="x")


def _draw_line(axes: Axes, line: EpochLine) -> None:
    colour, curve = series_colour(line.index), line.curve
    grey = line.index is None
    if curve.low != curve.high:
        axes.fill_between(curve.epochs, curve.low, curve.high, color=colour, alpha=0.16, linewidth=0, zorder=2)
    style = (0, (4, 2)) if line.dashed else "-"
    axes.plot(curve.epochs, curve.values, color=colour, linewidth=1 if grey else 2, linestyle=style, zorder=3)
