"""The tables of a training run's page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.knobs import format_value
from reports import units
from reports.labels import reasons
from reports.training.texts import fit_words, label, share, shares
from reports.views.points_table import Cell, Table, verdict_cell
from reports.views.usage import COLUMNS, known_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from harness.judge.interval import Interval
    from harness.judge.metrics import Usage
    from harness.training.training_metrics import FitMetrics, TrainingPointMetrics
    from reports.report_input import TrainingInput


def points_table(report: TrainingInput) -> Table:
    """All points in the order of the plan."""
    swept = report.plan.swept
    target = f"{100 * report.plan.target_accuracy:g}"
    columns = (
        *(swept or ("Model",)), "Verdict", "Test accuracy, %", "Validation, %", "Training, %", "Gap, points", "Fit",
        "Test loss", "Seeds", "Epochs", "Examples /s", "Fitting, s", f"s until {target} %", f"Seeds at {target} %",
    )  # fmt: skip
    rows = tuple(tuple(_point_cells(point, report)) for point in report.result.points)
    stressed = report.best_row if len(rows) > 1 else None
    return Table(columns, rows, stressed, len(swept or ("",)) + 1)


def _point_cells(point: TrainingPointMetrics, report: TrainingInput) -> Iterator[Cell]:
    names = [format_value(point.setting[name]) for name in report.plan.swept] or [report.plan.model]
    yield from (Cell(text, key=text, kind="point") for text in names)
    yield verdict_cell(point.verdict, reasons(point))
    for estimate in (point.test_accuracy, point.validation_accuracy, point.train_accuracy, point.gap):
        yield Cell(*shares(estimate), key=_key(estimate))
    yield Cell(fit_words(point), key=fit_words(point), kind="text")
    yield _estimate(point.test_loss)
    yield Cell(units.count(point.seeds), key=str(point.seeds))
    yield Cell(units.count(point.epochs), key=str(point.epochs))
    yield _estimate(point.samples_per_s)
    yield _estimate(point.seconds)
    yield _estimate(point.seconds_to_target)
    yield Cell(f"{point.reached_target} of {point.seeds}", key=str(point.reached_target))


def _estimate(estimate: Interval | None) -> Cell:
    return Cell(*units.estimate(estimate), key=_key(estimate))


def _key(estimate: Interval | None) -> str:
    return units.machine_number(estimate.value if estimate else None)


def fits_table(report: TrainingInput, most: int) -> Table:
    """Every fit, in the order of points and seeds; at most `most`."""
    columns = (
        "Point", "Verdict", "Seed", "Epochs", "Test accuracy, %", "Test loss", "Validation, %", "Training, %",
        "Lowest validation loss at epoch", "Examples /s", "Fitting, s",
    )  # fmt: skip
    fits = [(point, fit) for point in report.result.points for fit in point.fits]
    return Table(columns, tuple(tuple(_fit_cells(*pair)) for pair in fits[:most]), None, 2)


def _fit_cells(point: TrainingPointMetrics, fit: FitMetrics) -> Iterator[Cell]:
    yield Cell(label(point), key=label(point), kind="point")
    yield verdict_cell(fit.verdict, [finding.kind for finding in fit.findings])
    yield Cell(str(fit.seed), key=str(fit.seed))
    yield Cell(f"{fit.epochs} of {fit.planned_epochs}", key=str(fit.epochs))
    yield Cell(share(fit.test_accuracy), key=units.machine_number(fit.test_accuracy))
    yield Cell(units.number(fit.test_loss), key=units.machine_number(fit.test_loss))
    yield Cell(share(fit.validation_accuracy), key=units.machine_number(fit.validation_accuracy))
    yield Cell(share(fit.train_accuracy), key=units.machine_number(fit.train_accuracy))
    yield Cell(units.count(fit.lowest_loss_epoch), key=str(fit.lowest_loss_epoch or ""))
    yield Cell(units.number(fit.samples_per_s), key=units.machine_number(fit.samples_per_s))
    yield Cell(units.number(fit.seconds), key=units.machine_number(fit.seconds))


def _cores(percents: Sequence[float]) -> str:
    return ", ".join(units.with_unit(each, "%", 2) for each in percents) or units.ABSENT


_RESOURCES: Mapping[str, Callable[[Usage], str]] = {
    "CPU of the trainer, cores": COLUMNS["CPU target, cores"],
    "Each core": lambda usage: _cores(usage.cpu_machine_percent[:8]),
    "Memory, MB": COLUMNS["Memory target, MB"],
    **{
        title: COLUMNS[title]
        for title in ("Threads", "Context switches /s", "Steal", "GPU use", "GPU memory, MB", "GPU power, W",
                      "GPU energy, J", "Samplers, CPU")
    },
}  # fmt: skip


def resources_table(points: Sequence[TrainingPointMetrics]) -> Table:
    """Usage per point while it was fitted and judged; a column that no point has is left out."""
    known = known_columns(_RESOURCES, [point.usage for point in points])
    rows = tuple(
        (Cell(label(point), key=label(point), kind="point"), *(Cell(cells[number]) for cells in known.values()))
        for number, point in enumerate(points)
    )
    return Table(("Point", *known), rows, None, 1)
