"""A run, or a plan, as text for a terminal or a log."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from reports import units
from reports.labels import load_label, printable, reasons, setting_label, verdict_counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.table import Table

    from harness.metrics import PointMetrics
    from harness.plan import Plan
    from reports.report_input import ReportInput

_STYLES = {"VALID": "green", "DEGRADED": "yellow", "INVALID": "red"}
_PLAIN_WIDTH = 160
MAX_MISSING = 10


def result_text(report: ReportInput, *, terminal: bool | None = None) -> str:
    """The table of points and the answer; coloured, and as wide as the terminal, where there is one.

    `terminal` None: whether standard output is one decides.
    """
    result = report.result
    lines = [_render(_points_table(report), terminal=terminal)] if result.points else []
    missing = [f"missing: {item}" for item in result.missing[:MAX_MISSING]]
    if len(result.missing) > MAX_MISSING:
        missing.append(f"missing: {len(result.missing) - MAX_MISSING} more")
    verdict = f"{result.verdict} ({verdict_counts(result.points)})"
    return "\n".join([*lines, *map(printable, missing), verdict, printable(result.answer.sentence)])


def plan_text(plan: Plan, seconds: float) -> str:
    """What `--dry-run` prints: what would be measured, how, and how long that takes."""
    trial = f"{units.duration(plan.warmup_seconds)} + {units.duration(plan.seconds)}"
    lines = [
        f"{plan.name}: {plan.target}, {plan.model}, {plan.scenario}",
        f"{len(plan.points)} points x {plan.repeats} repeats = {len(plan.trials)} trials of {trial}, seed {plan.seed}",
        f"objective: {plan.slo or 'none'}",
    ]
    if plan.fixed:
        lines.append(f"set: {setting_label(plan.fixed)}")
    lines += [f"  {number:>3}  {plan.point(trial.point).slug}" for number, trial in enumerate(plan.trials, 1)]
    lines.append(f"about {units.duration(seconds)}")
    return "\n".join(map(printable, lines))


def result_json(report: ReportInput, run_dir: Path) -> str:
    """What `--json` prints: where the run is, its plan and its result; absent numbers are null."""
    import msgspec

    return msgspec.json.encode({"run_dir": str(run_dir), "plan": report.plan, "result": report.result}).decode()


def _points_table(report: ReportInput) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    titles = _columns(report.plan)
    for number, title in enumerate(titles):
        words = number <= len(report.plan.swept) or title == "verdict"
        table.add_column(title, justify="left" if words else "right", no_wrap=title != "verdict", overflow="fold")
    for point in report.result.points:
        best = point.point == report.result.answer.best_point
        *cells, verdict = _cells(point, report.plan)
        table.add_row(
            *(Text(printable(cell)) for cell in cells),
            Text(verdict, style=_STYLES[point.verdict]),
            style="bold" if best else None,
        )
    return table


def _columns(plan: Plan) -> Sequence[str]:
    return (*plan.swept, "load", "req/s", "p50 ms", "p99 ms", "p99 95 %", "batch", "failed", "verdict")


def _cells(point: PointMetrics, plan: Plan) -> Iterator[str]:
    from harness.knobs import format_value

    for name in plan.swept:
        yield format_value(point.setting[name])
    yield load_label(point)
    yield units.number(point.throughput_rps.value)
    yield units.milliseconds(point.response.at(0.5))[0]
    yield from units.milliseconds(point.response.at(0.99))
    yield units.number(point.mean_batch)
    yield units.count(point.counts.scheduled - point.counts.ok)
    why = ", ".join(reasons(point))
    yield f"{point.verdict}: {why}" if why else point.verdict.value


def _render(table: Table, *, terminal: bool | None) -> str:
    from rich.console import Console

    fancy = sys.stdout.isatty() if terminal is None else terminal
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=fancy, no_color=not fancy, width=None if fancy else _PLAIN_WIDTH, highlight=False
    )
    console.print(table)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())
