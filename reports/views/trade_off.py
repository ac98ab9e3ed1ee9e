"""Tables of accuracy against throughput for each setting, and of the time of preprocessing steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure
from harness.plan.knobs import format_value
from harness.plan.plan import MODEL
from reports import units
from reports.labels import load_label, point_label
from reports.views.points_table import SLO_WORDS, Cell, Table, accuracy_cell, percentile_cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.metrics import PointMetrics
    from harness.judge.run_result import RunResult, TradeOffPoint
    from harness.plan.plan import Plan
    from harness.record.model_card import ModelCard

STEPS = ("clean", "transform", "normalise", "augment")


def trade_table(result: RunResult, plan: Plan) -> Table | None:
    """A row for each setting at its best load; None where accuracy does not depend on the setting."""
    if not result.trade_off:
        return None
    cards = {card.name: card for card in result.models} if MODEL in plan.swept else {}
    model = ("Parameters", "Held out %") if cards else ()
    limit = ("SLO",) if plan.slo else ()
    columns = (*plan.swept, "Load", "Accuracy %", *model, "Throughput /s", "p99 ms", *limit, "Pareto front")
    points = {point.point: point for point in result.points}
    rows = tuple(tuple(_cells(each, points[each.point], plan, cards)) for each in result.trade_off)
    numbers = [each.point for each in result.trade_off]
    best = result.recommendation.best_point
    return Table(columns, rows, numbers.index(best) if best in numbers else None, len(plan.swept) + 1)


def steps_table(points: Sequence[PointMetrics]) -> Table | None:
    """What each step of preprocessing took of the mean response time; None where none was timed."""
    timed = [(point, point.steps) for point in points if point.steps]
    if not timed:
        return None
    names = [name for name in STEPS if any(getattr(steps, f"{name}_ms") is not None for _, steps in timed)]
    rows = []
    for point, steps in timed:
        values = [getattr(steps, f"{name}_ms") for name in names]
        cells = [Cell(units.number(value, 3), key=units.machine_number(value)) for value in values]
        rows.append((Cell(point_label(point), key=point_label(point), kind="point"), *cells))
    return Table(("Point", *(f"{name.capitalize()} ms" for name in names)), tuple(rows), None, 1)


def _cells(each: TradeOffPoint, point: PointMetrics, plan: Plan, cards: dict[str, ModelCard]) -> Iterator[Cell]:
    for name in plan.swept:
        text = format_value(point.setting[name])
        yield Cell(text, key=text, kind="point")
    yield Cell(load_label(point), key=units.machine_number(point.concurrency or point.rate_target_rps), kind="point")
    yield accuracy_cell(each.accuracy)
    if cards:
        yield from _card_cells(cards.get(str(point.setting[MODEL])))
    value, interval = units.estimate(point.throughput_rps)
    yield Cell(value, interval, key=units.machine_number(point.throughput_rps.value))
    yield percentile_cell(point.response.at(0.99))
    if plan.slo:
        yield Cell(SLO_WORDS[each.meets_slo], key=SLO_WORDS[each.meets_slo], kind="text")
    front = "on it" if each.on_front else ""
    yield Cell(front or units.ABSENT, key=front, kind="text")


def _card_cells(card: ModelCard | None) -> Iterator[Cell]:
    count = card.parameters if card else None
    held_out = 100 * card.test_accuracy if card and card.test_accuracy is not None else None
    yield Cell(units.count(count), key=units.machine_number(count))
    yield Cell(figure(held_out, 3) if held_out is not None else units.ABSENT, key=units.machine_number(held_out))
