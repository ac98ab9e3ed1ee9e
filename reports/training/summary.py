"""summary.md of a training run: one page of Markdown, for the step summary of a CI service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports import units
from reports.labels import verdict_counts
from reports.summary_md import MAX_POINTS, SIGNS, finding_lines, missing_lines, plain
from reports.training.words import fit_words, label, shares
from reports.views.findings import groups_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.training.metrics import TrainingPointMetrics
    from reports.report_input import TrainingInput


def summary_markdown(report: TrainingInput) -> str:
    """Answer, table of points, findings and how it was trained."""
    result, plan = report.result, report.plan
    seeds = f"{plan.seeds} seed{'' if plan.seeds == 1 else 's'} per point"
    how = f"Trainer {plain(plan.trainer)}, model {plain(plan.model)}, {seeds}."
    lines = [
        f"## {SIGNS[result.verdict]} {plain(result.answer.sentence)}",
        "",
        f"**{result.verdict}** ({verdict_counts(result.points)}). {how}",
        "",
        *missing_lines(result.missing),
        *_table(report),
        *finding_lines(groups_of(result.points, label)),
    ]
    if report.command_line:
        lines += [f"<sub>{plain(report.command_line)}</sub>", ""]
    return "\n".join(lines)


def _table(report: TrainingInput) -> Iterator[str]:
    points = report.result.points
    if not points:
        return
    target = f"{100 * report.plan.target_accuracy:g}"
    yield f"| point | test accuracy % | training % | gap | fit | examples/s | s to {target} % | verdict |"
    yield "|---|--:|--:|--:|---|--:|--:|---|"
    for point in points[:MAX_POINTS]:
        yield f"| {' | '.join(_cells(point, best=point.point == report.result.answer.best_point))} |"
    if len(points) > MAX_POINTS:
        yield ""
        yield f"{len(points) - MAX_POINTS} more points are in points.csv."
    yield ""


def _cells(point: TrainingPointMetrics, *, best: bool) -> Iterator[str]:
    name = plain(label(point))
    yield f"**{name}**" if best else name
    value, interval = shares(point.test_accuracy)
    yield f"{value} ({interval})" if interval else value
    yield shares(point.train_accuracy)[0]
    yield shares(point.gap)[0]
    yield fit_words(point)
    yield units.estimate(point.samples_per_s)[0]
    yield units.estimate(point.seconds_to_target)[0]
    yield f"{SIGNS[point.verdict]} {point.verdict}"
