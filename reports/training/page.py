"""report.html of a training run: the page as data, which its template only places."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.plan.knobs import setting_text
from reports import units
from reports.rendering import render
from reports.training.gallery import gallery
from reports.training.tables import fits_table, points_table, resources_table
from reports.training.texts import fit_words, label, share, shares
from reports.views.findings import groups_of
from reports.views.page_view import HeadlineFigure, common_page, settings_facts
from reports.views.usage import gpu_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.training.training_metrics import TrainingPointMetrics
    from reports.report_input import TrainingInput
    from reports.views.page_view import Page

MAX_FITS = 300  # rows; more are left to the run directory


def training_page_html(report: TrainingInput) -> str:
    """The whole page; the same bytes for the same input."""
    points, charts = report.result.points, gallery(report)
    return render(
        "training.html.j2",
        page=_page(report),
        gallery=charts,
        colours=charts.colours,
        fits=fits_table(report, MAX_FITS),
        fits_left_out=sum(len(point.fits) for point in points) - MAX_FITS,
        resources=resources_table(points),
        gpu=gpu_words([point.usage for point in points], report.environment),
        findings=groups_of(points, label),
        environment=report.environment,
        command_line=report.command_line,
    )


def _page(report: TrainingInput) -> Page:
    """The page of a training run."""
    row = report.headline_row
    best = None if row is None else report.result.points[row]
    return replace(
        common_page(report),
        headline=tuple(_headline(best, report)) if best else (),
        ranges=_ranges(best) if best else "",
        points=points_table(report),
        method=tuple(_method(report)),
    )


def _ranges(best: TrainingPointMetrics) -> str:
    if best.seeds > 2:
        return f"ranges are 95 % intervals over {best.seeds} seeds"
    return "the range is what chance allows with so many test examples (95 %)"


def _headline(point: TrainingPointMetrics, report: TrainingInput) -> Iterator[HeadlineFigure]:
    value, interval = shares(point.test_accuracy)
    sampling = shares(point.test_sampling)[1]
    if interval and sampling:
        sampling = f"chance in so many test examples: {sampling}"
    yield HeadlineFigure("Test accuracy", value, "%", tuple(note for note in (interval, sampling) if note))
    yield _of("Test loss", units.estimate(point.test_loss), "")
    value, interval = shares(point.gap)
    yield HeadlineFigure(
        "Generalisation gap", value, "points", tuple(note for note in (interval, fit_words(point)) if note)
    )
    gain = report.result.recommendation.gain
    if gain is not None:
        sign = "+" if gain.value > 0 else ""
        baseline = next(p for p in report.result.points if p.point == report.result.recommendation.baseline_point)
        value, interval = shares(gain)
        notes = tuple(note for note in (interval, f"test accuracy over {label(baseline)}") if note)
        yield HeadlineFigure("Gain", f"{sign}{value}", "points", notes)
    yield _of("Training throughput", units.estimate(point.samples_per_s), "examples/s")
    target = share(report.plan.target_accuracy).removesuffix(".0")
    if point.seconds_to_target is not None:
        yield _of(f"Until {target}{units.THIN}% right", units.estimate(point.seconds_to_target), "s")
    elif point.seeds:
        reached = f"{point.reached_target} of {point.seeds} seed{'s' if point.seeds > 1 else ''} got there"
        yield HeadlineFigure(f"Until {target}{units.THIN}% right", units.ABSENT, "", (reached,))
    if point.usage.cpu_target_cores is not None:
        yield HeadlineFigure("CPU of the trainer", units.number(point.usage.cpu_target_cores, 2), "cores")
    if point.usage.gpu_utilization_percent is not None:
        yield HeadlineFigure("GPU use", units.number(point.usage.gpu_utilization_percent, 2), "%")


def _of(name: str, texts: tuple[str, str], unit: str) -> HeadlineFigure:
    value, interval = texts
    return HeadlineFigure(name, value, "" if value == units.ABSENT else unit, (interval,) if interval else ())


def _method(report: TrainingInput) -> Iterator[tuple[str, str]]:
    plan, result = report.plan, report.result
    yield "Trainer", f"{plan.trainer}, a process of its own for every fit"
    yield from settings_facts(plan)
    unset = {name: value for name, value in result.setting.items() if name not in (*plan.swept, *plan.fixed)}
    if unset:
        yield "Left as it is", setting_text(unset)
    seeds = f"{plan.seed}" if plan.seeds == 1 else f"{plan.seed} to {plan.seed + plan.seeds - 1}"
    yield "Seeds", f"{seeds}, the same for every point; {len(plan.trials)} fits in shuffled blocks"
    if result.validation_count:
        kept_out = f"{units.count(result.validation_count)} training examples kept out of every fit"
        yield "Validation", f"{kept_out} and judged after every epoch; the recommended value is chosen by them"
    yield "Test", "other examples still, judged once, after the last epoch; they have no part in the choice"
    yield "Judged", "without dropout, noise and the L2 term, on both sides of the split alike"
    yield "Target accuracy", f"{100 * plan.target_accuracy:g}{units.THIN}% of the validation examples"
    if result.devices:
        yield "Devices", ", ".join(result.devices)
    yield "Timed", "fitting alone, judging excluded; throughput without the first epoch, which compiles"
