"""`harness compare`: compares two runs point by point."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.parts.option_types import Parsed
from harness.errors import ExitCode, UserError
from harness.plan.option_text import number

if TYPE_CHECKING:
    from harness.judge.metrics import RunResult
    from harness.record.run_dir import RunRecord

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("before", type=_FOLDER, metavar="BEFORE")
@click.argument("after", type=_FOLDER, metavar="AFTER")
@click.option(
    "--margin",
    type=Parsed(number(0, 100, below=True), "number"),
    default=5.0,
    show_default=True,
    metavar="PERCENT",
    help="A smaller change is none: machines drift by so much between two times.",
)
@click.option("--force", is_flag=True, help="Compare although machine or software differ.")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON on standard output.")
def command(before: Path, after: Path, *, margin: float, force: bool, as_json: bool) -> int:
    """Compare the run in AFTER with the run in BEFORE, point by point.

    Exit code 6 where a point got worse by more than the margin, with its whole interval.
    """
    import msgspec

    from harness.judge.answers.run_comparison import compare_runs
    from harness.judge.significance import Change
    from reports.comparison import comparison_json, comparison_text

    (earlier, old), (later, new) = _read(before, "BEFORE"), _read(after, "AFTER")
    _refuse_other_machine(earlier, later, force=force)
    comparison = compare_runs((earlier.plan, old), (later.plan, new), margin / 100)
    if not comparison.points:
        raise UserError(f"AFTER {after}: no point has the same knobs and load as one of {before}; sweep the same")
    if as_json:
        print(msgspec.json.encode(comparison_json(comparison)).decode())
    else:
        print(comparison_text(comparison))
    return ExitCode.REGRESSION if comparison.change is Change.REGRESSION else ExitCode.OK


def _read(path: Path, argument: str) -> tuple[RunRecord, RunResult]:
    from harness.judge.run_result import evaluate
    from harness.judge.trial_summaries import TrialSummaries
    from harness.record.run_dir import RunDir

    folder = RunDir.open(path, argument)
    record = folder.read()
    return record, evaluate(record, TrialSummaries(folder))


def _refuse_other_machine(before: RunRecord, after: RunRecord, *, force: bool) -> None:
    differences = before.environment.differences(after.environment)
    if differences and not force:
        raise UserError(
            f"BEFORE and AFTER ran on different machines or software ({'; '.join(differences[:3])}); "
            "measure both on one, or compare nevertheless with --force"
        )
