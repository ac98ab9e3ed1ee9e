"""The capacity of each setting of a capacity run, for the page, the terminal and summary.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.knobs import setting_text
from reports import units
from reports.text.run_texts import with_interval
from reports.views.points_table import Cell, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.run_result import Capacity, RunResult

SETTING, CAPACITY = "Setting", "Capacity, req/s"
_COLUMNS = (SETTING, "Trials", "Surely kept, req/s", "Surely missed, req/s", CAPACITY)


def capacities_table(result: RunResult) -> Table | None:
    """A row per setting, in the order of the plan; None where there are not several."""
    if len(result.capacities) < 2:
        return None
    best = next((each.setting for each in result.points if each.point == result.recommendation.best_point), None)
    settings = [each.setting for each in result.capacities]
    rows = tuple(tuple(_cells(each)) for each in result.capacities)
    return Table(_COLUMNS, rows, settings.index(best) if best in settings else None, 1)


def capacity_columns(result: RunResult) -> dict[str, list[str]]:
    """The same for texts, by title; empty where there are not several settings."""
    table = capacities_table(result)
    if table is None:
        return {}
    return {
        title: [with_interval((row[at].text, row[at].note)) for row in table.rows]
        for at, title in enumerate(table.columns)
    }


def _cells(each: Capacity) -> Iterator[Cell]:
    name = setting_text(each.setting)
    yield Cell(name, key=name, kind="point")
    yield Cell(units.count(each.trials), key=str(each.trials))
    for rate_rps in (each.kept_rps, each.missed_rps):
        yield Cell(units.number(rate_rps), key=units.machine_number(rate_rps))
    known_rps = each.rate_rps.value if each.rate_rps else each.kept_rps
    if each.rate_rps is None:  # no rate that was tried misses the limit, or none is known to keep it
        told = (units.interval(each.kept_rps, None), "") if each.kept_rps is not None else (units.ABSENT, each.why_none)
    else:
        told = units.estimate(each.rate_rps)
    yield Cell(*told, key=units.machine_number(known_rps))
