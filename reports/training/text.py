"""A training run, or its plan, as text for a terminal or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.knobs import format_value
from reports import units
from reports.labels import printable, reasons, setting_label, verdict_counts
from reports.terminal_table import Terminal
from reports.training.words import fit_words, share, shares

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.training.metrics import TrainingPointMetrics
    from harness.training.plan import TrainingPlan
    from reports.report_input import TrainingInput

    Read = Callable[[TrainingPointMetrics], str]

MAX_MISSING = 10


def result_text(report: TrainingInput, *, terminal: bool | None = None) -> str:
    """The table of points, the test figures of the recommended one, and the answer."""
    result = report.result
    lines = [_points_table(report, terminal=terminal)] if result.points else []
    missing = [f"missing: {item}" for item in result.missing[:MAX_MISSING]]
    if len(result.missing) > MAX_MISSING:
        missing.append(f"missing: {len(result.missing) - MAX_MISSING} more")
    verdict = f"{result.verdict} ({verdict_counts(result.points)})"
    return "\n".join(
        [*lines, *map(printable, missing), *_test_lines(report), verdict, printable(result.answer.sentence)]
    )


def _test_lines(report: TrainingInput) -> list[str]:
    point = next((p for p in report.result.points if p.point == report.result.answer.best_point), None)
    if point is None or point.test_accuracy is None:
        return []
    loss = units.number(point.test_loss.value if point.test_loss else None)
    return [f"test loss {loss}, test accuracy {share(point.test_accuracy.value)} %"]


def plan_text(plan: TrainingPlan) -> str:
    """What `--dry-run` prints: what would be trained, and how."""
    points = f"{len(plan.points)} point{'' if len(plan.points) == 1 else 's'}"
    epochs = sum(plan.epochs[trial.point] for trial in plan.trials)
    lines = [
        f"{plan.name}: {plan.trainer}, {plan.model}",
        f"{points} x {plan.seeds} seed{'' if plan.seeds == 1 else 's'} = {len(plan.trials)} fits of {epochs} epochs",
        f"target accuracy: {plan.target_accuracy:g}",
    ]
    if plan.fixed:
        lines.append(f"set: {setting_label(plan.fixed)}")
    lines += [
        f"  {number:>3}  {plan.point(trial.point).slug} seed={trial.seed}"
        for number, trial in enumerate(plan.trials, 1)
    ]
    return "\n".join(map(printable, lines))


def _columns(report: TrainingInput, *, narrow: bool) -> dict[str, Read]:
    """What a table of points shows by title; `narrow` leaves out what an answer can be read without."""
    target = f"s to {100 * report.plan.target_accuracy:g} %"
    shown: dict[str, Read] = {
        **{name: _knob(name) for name in report.plan.swept},
        "seeds": lambda point: str(point.seeds),
        "test %": lambda point: shares(point.test_accuracy)[0],
        "95 %": lambda point: shares(point.test_accuracy)[1],
        "valid. %": lambda point: shares(point.validation_accuracy)[0],
        "train %": lambda point: shares(point.train_accuracy)[0],
        "gap": lambda point: shares(point.gap)[0],
        "fit": fit_words,
        "examples/s": lambda point: units.estimate(point.samples_per_s, 2)[0],
        target: lambda point: units.estimate(point.seconds_to_target, 2)[0],
        "verdict": lambda point: ": ".join(filter(None, (point.verdict.value, ", ".join(reasons(point))))),
    }
    dropped = ("seeds", "95 %", "valid. %", "train %", target) if narrow else ()
    return {title: read for title, read in shown.items() if title not in dropped}


def _knob(name: str) -> Read:
    return lambda point: format_value(point.setting[name])


def _points_table(report: TrainingInput, *, terminal: bool | None) -> str:
    paper = Terminal(terminal)
    points = report.result.points
    columns = _columns(report, narrow=paper.narrow)
    best = next((n for n, point in enumerate(points) if point.point == report.result.answer.best_point), None)
    return paper.table(
        {title: [read(point) for point in points] for title, read in columns.items()},
        [point.verdict for point in points],
        text={*report.plan.swept, "fit", "verdict"},
        best=best if len(points) > 1 else None,
    )
