"""The path of a search: the figure of every trial in its order, and the best so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure
from reports.charts.svg import ACCENT, GREY, LIMIT, MUTED, drawing, to_svg

if TYPE_CHECKING:
    from markupsafe import Markup

    from harness.judge.tuning.tuning_result import Tuning

_OBJECTIVES = {"tokens_per_s": "tokens per second", "cost": "responses per core second"}
_KEY, _TITLE = "tuned", "The path of the search"


def draw_path(tuning: Tuning | None) -> Markup | None:
    """The chart as an `<svg>` element; None where fewer than two trials have a figure."""
    if tuning is None:
        return None
    known = [(place, step) for place, step in enumerate(tuning.steps, 1) if step.figure]
    if len(known) < 2:
        return None
    failed = [place for place, step in enumerate(tuning.steps, 1) if step.failure is not None]
    lowest = min(step.figure or 0.0 for _, step in known)
    with drawing() as (paper, axes):
        axes.set_yscale("log")
        for kept, colour in ((True, ACCENT), (None, GREY), (False, GREY)):
            some = [(place, step.figure) for place, step in known if step.kept is kept]
            fill = colour if kept else "none"
            values = [value or 0.0 for _, value in some]
            axes.plot([at for at, _ in some], values, "o", color=colour, markerfacecolor=fill)
        best = [(place, step.best) for place, step in enumerate(tuning.steps, 1) if step.best]
        axes.step([at for at, _ in best], [value for _, value in best], color=ACCENT, where="post", linewidth=1.5)
        axes.plot(failed, [lowest] * len(failed), "x", color=LIMIT)
        highest = max(step.figure or 0.0 for _, step in known)
        ticks = [step * 10.0**power for power in range(-3, 9) for step in (1, 2, 5)]
        shown = [tick for tick in ticks if lowest / 2 <= tick <= highest * 2]
        axes.set_yticks(shown, [figure(tick, 2) for tick in shown])
        axes.set_yticks([], minor=True)
        axes.set_xlabel("Trial")
        axes.set_title(_OBJECTIVES.get(tuning.objective, "responses per second"), loc="left", color=MUTED)
        words = f"{len(known)} trials with a figure, {len(failed)} settings that could not be served."
        return to_svg(paper, _KEY, _TITLE, words)
