"""Simulated throughput against processes: behind one port, behind one queue, and with perfect scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure
from reports.charts.line_names import label_ends
from reports.charts.svg import ACCENT, GREY, LIMIT, MUTED, drawing, lay_out, to_svg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from harness.judge.simulation_result import Prediction, Simulation

_COLOURS = {"port": ACCENT, "queue": LIMIT}
_KEY, _TITLE = "simulated", "Simulated throughput against processes that compute"


def draw_simulated(simulation: Simulation | None) -> Markup | None:
    """The chart as an `<svg>` element; None where fewer than two sizes were simulated."""
    if simulation is None or len({each.processes for each in simulation.predictions}) < 2:
        return None
    first = simulation.predictions[0]
    lines = {name: found for name in _COLOURS if len(found := _of(simulation.predictions, name)) > 1}
    with drawing() as (paper, axes):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        sizes = sorted({each.processes for each in simulation.predictions})
        ideal = [each * first.throughput_rps / first.processes for each in sizes]
        axes.plot(sizes, ideal, color=GREY, linewidth=1, linestyle=(0, (4, 2)))
        for name, found in lines.items():
            xs, ys = [each.processes for each in found], [each.throughput_rps for each in found]
            axes.plot(xs, ys, color=_COLOURS[name], marker="o")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_xticks([], minor=True)
        low, high = min(each.throughput_rps for each in simulation.predictions), max(ideal)
        ticks = [step * 10.0**power for power in range(-3, 9) for step in (1, 3)]
        shown = [tick for tick in ticks if low / 2 <= tick <= high * 2]
        axes.set_yticks(shown, [figure(tick, 2) for tick in shown])
        axes.set_yticks([], minor=True)
        axes.set_xlabel("Processes that compute")
        axes.set_title("Requests/s", loc="left", color=MUTED)
        lay_out(paper)
        ends = [(name, float(found[-1].processes), found[-1].throughput_rps) for name, found in lines.items()]
        label_ends(axes, [*ends, ("each a full one", float(sizes[-1]), ideal[-1])])
        return to_svg(paper, _KEY, _TITLE, f"Lines: {', '.join(lines)}, and processes times the first.")


def _of(predictions: Sequence[Prediction], dispatch: str) -> list[Prediction]:
    """The whole models of one way to feed them, by size."""
    found = [each for each in predictions if each.setting["dispatch"] == dispatch and each.setting["stages"] == 1]
    return sorted(found, key=lambda each: each.processes)
