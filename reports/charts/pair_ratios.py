"""The pairs of a comparison: the ratio of the second variant to the first, pair by pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure
from reports.charts.svg import ACCENT, GREY, MUTED, TEXT, drawing, lay_out, mark_tip, to_svg

if TYPE_CHECKING:
    from markupsafe import Markup

    from harness.judge.paired_result import PairedFigure


def draw_pairs(found: PairedFigure, key: str, title: str, margin: float) -> Markup:
    """A dot for each pair in the order of measuring, the mean with its 95 % interval, and the margin in grey."""
    from matplotlib.ticker import MaxNLocator

    numbers = range(1, len(found.each_pair) + 1)
    low, high = found.ratio.ends
    with drawing() as (paper, axes):
        axes.axhspan(1.0 / (1.0 + margin), 1.0 + margin, color=GREY, alpha=0.15, linewidth=0)
        axes.axhline(1.0, color=GREY, linewidth=1.2)
        axes.axhspan(low, high, color=ACCENT, alpha=0.25, linewidth=0)
        axes.axhline(found.ratio.value, color=ACCENT, linewidth=1.6)
        axes.plot(list(numbers), found.each_pair, linestyle="none", marker="o", color=TEXT, zorder=4)
        for number, ratio in zip(numbers, found.each_pair, strict=True):
            mark_tip(axes, (number, ratio), number - 1)
        axes.set_xlim(0.3, len(found.each_pair) + 0.7)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("pair, in the order of measuring")
        axes.set_title(f"{found.name}, second / first", loc="left", color=MUTED)
        lay_out(paper)
        tips = [
            f"pair {number}: \u00d7{figure(ratio, 3)}" for number, ratio in zip(numbers, found.each_pair, strict=True)
        ]
        description = (
            f"A dot for each of {len(found.each_pair)} pairs; the mean \u00d7{figure(found.ratio.value, 3)} "
            f"with its 95 % interval, {figure(low, 3)} to {figure(high, 3)}. The table has the figures."
        )
        return to_svg(paper, key, title, description, tips)
