"""Simulated throughput against processes: behind one port, behind one queue, and with perfect scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure
from harness.judge.simulation_result import batching_text, replica_series
from reports.charts.line_names import label_ends
from reports.charts.svg import ACCENT, GREY, LIMIT, MUTED, drawing, lay_out, to_svg

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from harness.judge.simulation_result import Prediction, Simulation

_COLOURS = {"port": ACCENT, "queue": LIMIT}
_KEY, _TITLE = "simulated", "Simulated throughput against processes that compute"


def draw_simulated(simulation: Simulation | None) -> Markup | None:
    """The chart as an `<svg>` element; None where replicas were not simulated in several numbers, or under a rate.

    Under a rate all that keep up with it serve the same.
    """
    predictions = () if simulation is None else simulation.predictions
    lines = {_name(series[0], predictions): series for series in replica_series(predictions)}
    of_one = [each.throughput_rps / each.speedup for series in lines.values() for each in series if each.speedup]
    if not of_one:
        return None
    shown = [each for series in lines.values() for each in series]
    sizes = sorted({each.processes for each in shown})
    ideal = [size * max(of_one) for size in sizes]
    with drawing() as (paper, axes):
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.plot(sizes, ideal, color=GREY, linewidth=1, linestyle=(0, (4, 2)))
        for series in lines.values():
            xs, ys = [each.processes for each in series], [each.throughput_rps for each in series]
            axes.plot(xs, ys, color=_COLOURS[str(series[0].setting["dispatch"])], marker="o")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_xticks([], minor=True)
        low, high = min(each.throughput_rps for each in shown), max(ideal)
        ticks = [step * 10.0**power for power in range(-3, 9) for step in (1, 3)]
        marked = [tick for tick in ticks if low / 2 <= tick <= high * 2]
        axes.set_yticks(marked, [figure(tick, 2) for tick in marked])
        axes.set_yticks([], minor=True)
        axes.set_xlabel("Processes that compute")
        axes.set_title("Requests/s", loc="left", color=MUTED)
        lay_out(paper)
        ends = [(name, float(series[-1].processes), series[-1].throughput_rps) for name, series in lines.items()]
        label_ends(axes, [*ends, ("each a full one", float(sizes[-1]), ideal[-1])])
        return to_svg(paper, _KEY, _TITLE, f"Lines: {'; '.join(lines)}; and processes times the fastest one.")


def _name(each: Prediction, among: Sequence[Prediction]) -> str:
    """`port`, or `port, batch_size=8` where several sizes were simulated."""
    return ", ".join(filter(None, (str(each.setting["dispatch"]), batching_text(each, among))))
