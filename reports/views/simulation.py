"""The predictions of a simulation as a table, for the page and the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import percent
from harness.plan.knobs import format_value
from reports import units
from reports.labels import printable
from reports.views.points_table import Cell, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.simulation_result import Prediction, Simulation

_COLUMNS = ("Load", "Throughput /s", "p50 ms", "p99 ms", "Mean batch", "Busy", "Speedup", "Efficiency")


def simulation_table(simulation: Simulation | None) -> Table | None:
    """One row per prediction; None where nothing was simulated."""
    if simulation is None or not simulation.predictions:
        return None
    names = tuple(simulation.predictions[0].setting)
    rows = tuple(tuple(_cells(each)) for each in simulation.predictions)
    return Table((*names, *_COLUMNS), rows, text_columns=0)


def _cells(each: Prediction) -> Iterator[Cell]:
    for value in each.setting.values():
        yield Cell(format_value(value), key=format_value(value))
    yield Cell(each.load, key=each.load)
    for value in (each.throughput_rps, each.p50_ms, each.p99_ms, each.mean_batch):
        yield Cell(units.number(value, 3), key=units.machine_number(value))
    yield Cell(percent(each.busy_share), key=units.machine_number(each.busy_share))
    times = units.ABSENT if each.speedup is None else f"{units.number(each.speedup, 3)}\u00d7"
    yield Cell(times, key=units.machine_number(each.speedup))
    share = units.ABSENT if each.efficiency is None else percent(each.efficiency)
    yield Cell(share, key=units.machine_number(each.efficiency))


def simulation_text(simulation: Simulation) -> str:
    """The table in plain columns, and the sentences."""
    table = simulation_table(simulation)
    cells = [list(table.columns), *([cell.text for cell in row] for row in table.rows)] if table else []
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))] if cells else []
    lines = ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in cells]
    return "\n".join(printable(line) for line in [*lines, "", *simulation.sentences])
