"""A run, or a plan, as text for a terminal or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.judge.findings import Verdict
from harness.plan.knobs import format_value, setting_text
from harness.plan.plan import Plan
from reports import units
from reports.kinds import texts_of
from reports.labels import printable, verdict_counts
from reports.report_input import ReportInput
from reports.text.run_texts import verdict_cell
from reports.text.terminal_table import Terminal
from reports.views.capacities import CAPACITY, SETTING, capacity_columns
from reports.views.classes import CLASS, FAILED, class_columns
from reports.views.tuning import finalists, finalists_table, tuning_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.plan.plan import TuneSpace
    from harness.training.plan import TrainingPlan
    from reports.report_input import BaseReportInput
    from reports.text.run_texts import RunTexts

MAX_MISSING = 10
# Columns of a search on a narrow terminal: those that have no interval there, under shorter names, and those left out.
NARROW_TITLES = {
    "Throughput /s": "req/s",
    "Tokens /s": "tokens/s",
    "Responses per core second": "per core s",
    "p99 ms": "p99 ms",
    "TTFT p90 ms": "TTFT p90 ms",
}
NOT_NARROW = ("p50 ms", "ITL p99 ms", "Trials")


def result_text(report: BaseReportInput, *, terminal: bool | None = None) -> str:
    """The table of points and the recommendation; coloured, and as wide as the terminal, where there is one.

    `terminal` None: whether standard output is one decides.
    """
    result, texts = report.result, texts_of(report.plan)
    best = report.best_row
    lines = [_points_table(report, texts, terminal=terminal)] if result.points else []
    if isinstance(report, ReportInput) and report.result.tuning is not None:
        lines = [_finalists(report, terminal=terminal), *map(printable, tuning_lines(report))]
    lines += [*_capacities(report, terminal=terminal), *_classes(report, terminal=terminal)]
    lines += [f"missing: {printable(item)}" for item in result.missing[:MAX_MISSING]]
    if len(result.missing) > MAX_MISSING:
        lines.append(f"missing: {len(result.missing) - MAX_MISSING} more")
    lines += texts.result_lines(result)
    if best is not None and (best_line := texts.best_line(result.points[best])):
        lines.append(best_line)
    verdict = f"{result.verdict} ({verdict_counts(result.points)})"
    return "\n".join([*lines, verdict, printable(result.recommendation.sentence)])


def _capacities(report: BaseReportInput, *, terminal: bool | None) -> Iterator[str]:
    """The capacity of each setting, where several were searched."""
    if columns := capacity_columns(report.result) if isinstance(report, ReportInput) else None:
        verdicts = [Verdict.DEGRADED if text == units.ABSENT else Verdict.VALID for text in columns[CAPACITY]]
        yield Terminal(terminal).table(columns, verdicts, text={SETTING}, best=None)


def _classes(report: BaseReportInput, *, terminal: bool | None) -> Iterator[str]:
    """The figures of each request class, where there are several."""
    if columns := class_columns(report.headline_point) if isinstance(report, ReportInput) else None:
        verdicts = [Verdict.VALID if failed == "0" else Verdict.DEGRADED for failed in columns[FAILED]]
        yield Terminal(terminal).table(columns, verdicts, text={CLASS}, best=None)


def _finalists(report: ReportInput, *, terminal: bool | None) -> str:
    """The table of a search: only the points that had fresh trials."""
    table, points = finalists_table(report), finalists(report)
    paper, columns = Terminal(terminal), {}
    for at, title in enumerate(table.columns):
        cells = [row[at] for row in table.rows]
        if paper.narrow and title in NARROW_TITLES:
            columns[NARROW_TITLES[title]] = [cell.text for cell in cells]
        elif title != "Verdict" and not (paper.narrow and title in NOT_NARROW):
            columns[title] = [" ".join(filter(None, (cell.text, cell.note))) for cell in cells]
    columns["Verdict"] = [verdict_cell(point) for point in points]
    verdicts = [point.verdict for point in points]
    return paper.table(columns, verdicts, text={"Setting", "Load", "Verdict"}, best=table.best)


def plan_text(plan: Plan | TrainingPlan, seconds: float | None = None) -> str:
    """What `--dry-run` prints: what would be measured, how, and how long that takes (None: not known)."""
    texts = texts_of(plan)
    lines = [*texts.plan_lines]
    if plan.fixed:
        lines.append(f"set: {setting_text(plan.fixed)}")
    lines += [f"left out: {reason}" for reason in plan.left_out]
    if isinstance(plan, Plan) and plan.tune is not None:
        lines += _tune_lines(plan.tune)
    listed = [texts.trial(trial) for trial in plan.trials] or [point.slug for point in plan.points]
    lines += [f"  {number:>3}  {text}" for number, text in enumerate(listed, 1)]
    if seconds is not None:
        at_most = isinstance(plan, Plan) and (plan.precision or plan.budget_seconds) is not None
        lines.append(f"{'at most' if at_most else 'about'} {units.duration(seconds)}")
    return "\n".join(map(printable, lines))


def _tune_lines(tune: TuneSpace) -> Iterator[str]:
    """What a search would choose from."""
    less = f"; {tune.impossible} more exclude themselves" if tune.impossible else ""
    yield f"{tune.settings} possible settings{less}, at {len(tune.levels)} loads:"
    for name, values in tune.values.items():
        yield f"  {name} = {', '.join(map(format_value, values))}"
    yield "the default comes first:"


def _points_table(report: BaseReportInput, texts: RunTexts[Any], *, terminal: bool | None) -> str:
    paper = Terminal(terminal)
    points = report.result.points
    columns = {
        title: cell
        for title, cell in texts.terminal_columns.items()
        if not (paper.narrow and title in texts.not_narrow)
    }
    return paper.table(
        {title: [cell(point) for point in points] for title, cell in columns.items()},
        [point.verdict for point in points],
        text={*report.plan.varied, *texts.text_columns, "verdict"},
        best=report.best_row if len(points) > 1 else None,
    )
