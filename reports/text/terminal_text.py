"""A run, or a plan, as text for a terminal or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.plan.knobs import setting_text
from harness.plan.plan import Plan
from reports import units
from reports.kinds import texts_of
from reports.labels import printable, verdict_counts
from reports.text.terminal_table import Terminal

if TYPE_CHECKING:
    from harness.training.plan import TrainingPlan
    from reports.report_input import BaseReportInput
    from reports.text.run_texts import RunTexts

MAX_MISSING = 10


def result_text(report: BaseReportInput, *, terminal: bool | None = None) -> str:
    """The table of points and the recommendation; coloured, and as wide as the terminal, where there is one.

    `terminal` None: whether standard output is one decides.
    """
    result, texts = report.result, texts_of(report.plan)
    best = report.best_row
    lines = [_points_table(report, texts, terminal=terminal)] if result.points else []
    lines += [f"missing: {printable(item)}" for item in result.missing[:MAX_MISSING]]
    if len(result.missing) > MAX_MISSING:
        lines.append(f"missing: {len(result.missing) - MAX_MISSING} more")
    lines += texts.result_lines(result)
    if best is not None and (best_line := texts.best_line(result.points[best])):
        lines.append(best_line)
    verdict = f"{result.verdict} ({verdict_counts(result.points)})"
    return "\n".join([*lines, verdict, printable(result.recommendation.sentence)])


def plan_text(plan: Plan | TrainingPlan, seconds: float | None = None) -> str:
    """What `--dry-run` prints: what would be measured, how, and how long that takes (None: not known)."""
    texts = texts_of(plan)
    lines = [*texts.plan_lines]
    if plan.fixed:
        lines.append(f"set: {setting_text(plan.fixed)}")
    lines += [f"left out: {reason}" for reason in plan.left_out]
    listed = [texts.trial(trial) for trial in plan.trials] or [point.slug for point in plan.points]
    lines += [f"  {number:>3}  {text}" for number, text in enumerate(listed, 1)]
    if seconds is not None:
        at_most = isinstance(plan, Plan) and (plan.precision or plan.budget_seconds) is not None
        lines.append(f"{'at most' if at_most else 'about'} {units.duration(seconds)}")
    return "\n".join(map(printable, lines))


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
        text={*report.plan.swept, *texts.text_columns, "verdict"},
        best=report.best_row if len(points) > 1 else None,
    )
