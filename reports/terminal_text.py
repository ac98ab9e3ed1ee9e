"""A run, or a plan, as text for a terminal or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.budget import first_look_seconds, trial_overhead_seconds
from harness.plan.knobs import format_value
from reports import units
from reports.labels import load_number, printable, reasons, setting_label, verdict_counts
from reports.terminal_table import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.metrics import PointMetrics
    from harness.plan.plan import Plan
    from reports.report_input import BaseReportInput, ReportInput

MAX_MISSING = 10


def text_of(report: BaseReportInput) -> str:
    """The result of a run of either kind."""
    from reports.report_input import ReportInput, TrainingInput
    from reports.training.text import result_text as training_text

    if isinstance(report, TrainingInput):
        return training_text(report)
    return result_text(report) if isinstance(report, ReportInput) else ""


def result_text(report: ReportInput, *, terminal: bool | None = None) -> str:
    """The table of points and the answer; coloured, and as wide as the terminal, where there is one.

    `terminal` None: whether standard output is one decides.
    """
    result = report.result
    lines = [_points_table(report, terminal=terminal)] if result.points else []
    missing = [f"missing: {item}" for item in result.missing[:MAX_MISSING]]
    if len(result.missing) > MAX_MISSING:
        missing.append(f"missing: {len(result.missing) - MAX_MISSING} more")
    verdict = f"{result.verdict} ({verdict_counts(result.points)})"
    return "\n".join([*lines, *map(printable, missing), verdict, printable(result.recommendation.sentence)])


def plan_text(plan: Plan, seconds: float) -> str:
    """What `--dry-run` prints: what would be measured, how, and how long that takes."""
    lines = [
        f"{plan.name}: {plan.target}, {plan.model}, {plan.scenario}",
        f"{_size(plan)}, seed {plan.seed}",
        f"objective: {plan.slo or 'none'}",
    ]
    if plan.fixed:
        lines.append(f"set: {setting_label(plan.fixed)}")
    lines += [f"left out: {reason}" for reason in plan.left_out]
    listed = plan.points if plan.budget_seconds else [plan.point(trial.point) for trial in plan.trials]
    lines += [f"  {number:>3}  {point.slug}" for number, point in enumerate(listed, 1)]
    at_most = plan.precision is not None or plan.budget_seconds is not None
    lines.append(f"{'at most' if at_most else 'about'} {units.duration(seconds)}")
    return "\n".join(map(printable, lines))


def _size(plan: Plan) -> str:
    trial = f"{units.duration(plan.warmup_seconds)} + {units.duration(plan.seconds)}"
    points = _several(len(plan.points), "point")
    if plan.budget_seconds is None:
        most = "at most " if plan.precision is not None else ""
        repeats = f"{most}{_several(plan.repeats, 'repeat')}"
        return f"{points} x {repeats} = {_several(len(plan.trials), 'trial')} of {trial}"
    first_s = first_look_seconds(plan)
    left = int((plan.budget_seconds - first_s) / (plan.seconds + trial_overhead_seconds(plan)))
    return (
        f"{points} in trials of {trial}: one of each takes about {units.duration(first_s)}; then up to {left} more "
        "where they decide which is best"
    )


def _several(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _columns(report: ReportInput, *, narrow: bool) -> dict[str, Callable[[PointMetrics], str]]:
    """What a table of points shows by title; `narrow` leaves out what an answer can be read without."""
    knobs = {name: _knob(name) for name in report.plan.swept}
    closed = any(point.concurrency is not None for point in report.result.points)
    shown: dict[str, Callable[[PointMetrics], str]] = {
        **knobs,
        "users" if closed else "asked /s": lambda point: units.number(load_number(point), 4),
        "req/s": lambda point: units.number(point.throughput_rps.value),
        "p50 ms": lambda point: units.milliseconds(point.response.at(0.5))[0],
        "p99 ms": lambda point: units.milliseconds(point.response.at(0.99))[0],
        "p99 95 %": lambda point: units.milliseconds(point.response.at(0.99))[1],
        "batch": lambda point: units.number(point.mean_batch),
        "failed": lambda point: units.count(point.counts.failed),
        "verdict": lambda point: ": ".join(filter(None, (point.verdict.value, ", ".join(reasons(point))))),
    }
    return {title: read for title, read in shown.items() if not (narrow and title in ("p99 95 %", "batch"))}


def _knob(name: str) -> Callable[[PointMetrics], str]:
    return lambda point: format_value(point.setting[name])


def _points_table(report: ReportInput, *, terminal: bool | None) -> str:
    paper = Terminal(terminal)
    points = report.result.points
    columns = _columns(report, narrow=paper.narrow)
    best = next((n for n, point in enumerate(points) if point.point == report.result.recommendation.best_point), None)
    return paper.table(
        {title: [read(point) for point in points] for title, read in columns.items()},
        [point.verdict for point in points],
        text={*report.plan.swept, "verdict"},
        best=best,
    )
