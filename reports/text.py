"""A run, or a plan, as text for a terminal or a log."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from harness.knobs import format_value
from reports import units
from reports.labels import load_number, printable, reasons, setting_label, verdict_counts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.metrics import PointMetrics
    from harness.plan import Plan
    from reports.report_input import ReportInput

_STYLES = {"VALID": "green", "DEGRADED": "yellow", "INVALID": "red"}
_PLAIN_WIDTH = 160
_NARROW = 100
MAX_MISSING = 10


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
    return "\n".join([*lines, *map(printable, missing), verdict, printable(result.answer.sentence)])


def plan_text(plan: Plan, seconds: float) -> str:
    """What `--dry-run` prints: what would be measured, how, and how long that takes."""
    trial = f"{units.duration(plan.warmup_seconds)} + {units.duration(plan.seconds)}"
    most = "at most " if plan.precision is not None else ""
    size = f"{_several(len(plan.points), 'point')} x {most}{_several(plan.repeats, 'repeat')}"
    lines = [
        f"{plan.name}: {plan.target}, {plan.model}, {plan.scenario}",
        f"{size} = {_several(len(plan.trials), 'trial')} of {trial}, seed {plan.seed}",
        f"objective: {plan.slo or 'none'}",
    ]
    if plan.fixed:
        lines.append(f"set: {setting_label(plan.fixed)}")
    lines += [f"left out: {reason}" for reason in plan.left_out]
    lines += [f"  {number:>3}  {plan.point(trial.point).slug}" for number, trial in enumerate(plan.trials, 1)]
    lines.append(f"{most or 'about '}{units.duration(seconds)}")
    return "\n".join(map(printable, lines))


def result_json(report: ReportInput, run_dir: Path) -> str:
    """What `--json` prints: where the run is, its plan and its result; absent numbers are null."""
    import msgspec

    return msgspec.json.encode({"run_dir": str(run_dir), "plan": report.plan, "result": report.result}).decode()


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
        "failed": lambda point: units.count(point.counts.scheduled - point.counts.ok),
        "verdict": lambda point: ": ".join(filter(None, (point.verdict.value, ", ".join(reasons(point))))),
    }
    return {title: read for title, read in shown.items() if not (narrow and title in ("p99 95 %", "batch"))}


def _knob(name: str) -> Callable[[PointMetrics], str]:
    return lambda point: format_value(point.setting[name])


def _points_table(report: ReportInput, *, terminal: bool | None) -> str:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    fancy = sys.stdout.isatty() if terminal is None else terminal
    file = io.StringIO()
    width = None if fancy else _PLAIN_WIDTH
    console = Console(file=file, force_terminal=fancy, no_color=not fancy, width=width, highlight=False)
    columns = _columns(report, narrow=console.width < _NARROW)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in columns:
        if title in report.plan.swept or title == "verdict":
            table.add_column(title, overflow="fold", min_width=8)
        else:
            table.add_column(title, justify="right", no_wrap=True)
    for point in report.result.points:
        cells = [Text(printable(read(point))) for read in columns.values()]
        cells[-1].stylize(_STYLES[point.verdict])
        table.add_row(*cells, style="bold" if point.point == report.result.answer.best_point else None)
    console.print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
