"""The table of all points, cell by cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.slo_check import missed_by
from harness.plan.knobs import format_value
from reports import units
from reports.labels import load_label, reasons

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from harness.judge.findings import Verdict
    from harness.judge.metrics import Accuracy, PointMetrics, Quantile
    from harness.judge.run_result import RunResult
    from harness.plan.plan import Plan

SLO_WORDS = {True: "met", False: "missed", None: "undecided"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table; `key` is what a column is sorted by, "" where there is nothing to sort."""

    text: str
    note: str = ""
    key: str = ""
    kind: str = "number"  # "number", "text", "verdict" (`note` holds the reasons), "point"
    muted: bool = False  # less is known than a cell of this column usually says
    link: str = ""  # to where on the page


@dataclass(frozen=True, slots=True)
class Table:
    """Column titles with units, and rows of cells; `best` is the index of the recommended row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    best: int | None = None
    text_columns: int = 0  # the first so many are read from the left
    ids: tuple[str, ...] = ()  # of the rows, for links


def points_table(result: RunResult, plan: Plan, drawn: Collection[int] = ()) -> Table:
    """All points in the order of the plan; the rows of those `drawn` link to their distributions."""
    swept = plan.swept
    slo = ("SLO",) if plan.slo else ()
    goodput = ("Goodput /s",) if plan.slo else ()
    accuracy = ("Accuracy %",) if any(point.accuracy for point in result.points) else ()
    columns = (
        *swept, "Load", "Verdict", "Throughput /s", "p50 ms", "p90 ms", "p95 ms", "p99 ms", "p99.9 ms", *goodput,
        "Service p50 ms", "Service p99 ms", "Sent late p99 ms", "Good", "Failed",
        *accuracy, "Mean batch", *slo,
    )  # fmt: skip
    rows = tuple(
        tuple(_point_cells(point, plan, accuracy=bool(accuracy), linked=point.point in drawn))
        for point in result.points
    )
    numbers = [point.point for point in result.points]
    best = result.recommendation.best_point
    row = numbers.index(best) if best in numbers else None
    return Table(columns, rows, row, len(swept) + 2, tuple(f"point-{number}" for number in numbers))


def _point_cells(point: PointMetrics, plan: Plan, *, accuracy: bool, linked: bool) -> Iterator[Cell]:
    for name in plan.swept:
        value = point.setting[name]
        text = format_value(value)
        yield Cell(text, key=text, kind="point")
    load = units.machine_number(point.concurrency or point.rate_target_rps)
    link = f"#distribution-{point.point}" if linked else f"#point-{point.point}"
    yield Cell(load_label(point), key=load, kind="point", link=link)
    yield verdict_cell(point.verdict, reasons(point))
    yield _cell(units.estimate(point.throughput_rps), point.throughput_rps.value)
    for p in (0.5, 0.9, 0.95, 0.99, 0.999):
        yield percentile_cell(point.response.at(p))
    if plan.slo:
        yield _cell(units.estimate(point.goodput_rps), point.goodput_rps.value if point.goodput_rps else None)
    yield percentile_cell(point.service.at(0.5))
    yield percentile_cell(point.service.at(0.99))
    yield percentile_cell(point.lateness.at(0.99))
    counts = point.counts
    causes = ((name.replace("_", " "), number) for name, number in counts.failures.items() if number)
    yield Cell(units.count(counts.ok), key=str(counts.ok))
    yield Cell(
        units.count(counts.failed),
        ", ".join(f"{units.count(number)} {name}" for name, number in causes),
        key=str(counts.failed),
    )
    if accuracy:
        yield accuracy_cell(point.accuracy)
    yield _cell((units.number(point.mean_batch), ""), point.mean_batch)
    if plan.slo:
        yield Cell(SLO_WORDS[point.meets_slo], why_missed(point, plan), key=SLO_WORDS[point.meets_slo], kind="text")


def why_missed(point: PointMetrics, plan: Plan) -> str:
    """What breaks the objective besides response times, which have columns of their own."""
    return missed_by(point, plan.slo) if plan.slo and point.meets_slo is False else ""


def verdict_cell(verdict: Verdict, kinds: Sequence[str]) -> Cell:
    """The verdict, with the kinds of findings behind it."""
    why = ", ".join(kind.replace("_", " ") for kind in kinds)
    return Cell(verdict.value, why, key=verdict.value, kind="verdict")


def accuracy_cell(accuracy: Accuracy | None) -> Cell:
    """The share of payloads whose class was right, in percent, with its interval."""
    if accuracy is None:
        return Cell(units.ABSENT)
    percent = accuracy.interval.times(100)
    text, interval = units.estimate(percent, 3)
    return Cell(text, interval, key=units.machine_number(percent.value))


def _cell(texts: tuple[str, str], key: float | None) -> Cell:
    return Cell(*texts, key=units.machine_number(key))


def percentile_cell(quantile: Quantile | None) -> Cell:
    """A percentile with its interval; muted where the sample gives only a lower bound."""
    text, note = units.latency(quantile)
    if quantile is None or not quantile.only_bound:
        return Cell(text, note, key=units.machine_number(quantile.value_ms) if quantile else "")
    needed = f"needs {units.number(quantile.needed, 2)} more"
    return Cell(text, "; ".join(filter(None, (note, needed))), key=units.machine_number(quantile.value_ms), muted=True)
