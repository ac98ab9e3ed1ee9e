"""`harness history`: the figures of many runs over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.parts.plan_request import refuse_options
from harness.errors import ExitCode, UserError

if TYPE_CHECKING:
    from harness.judge.gate.baseline import Baseline

BASELINE = ".json"  # how the name of a baseline ends, and that of a run does not


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path), metavar="[DIR|BASELINE.json]...")
@click.option("--file", "path", type=click.Path(path_type=Path), default=Path("history.sqlite"), show_default=True,
              help="The SQLite file that holds all runs.")  # fmt: skip
@click.option("--page", type=click.Path(path_type=Path), default=Path("trend.html"), show_default=True,
              help="The page of trends to write.")  # fmt: skip
@click.option("--commit", default=None, help="The commit that a DIR measured.  [default: that of this checkout]")
def command(runs: tuple[Path, ...], *, path: Path, page: Path, commit: str | None) -> int:
    """Add runs or baselines to a file, and show how each figure went over time.

    Changes of level are found between runs on one machine, and marked with the commits between which they came. The
    file has the tables `runs` and `figures`, for SQLite and DuckDB.

    \b
    python -m harness history results/my-run --commit $(git rev-parse HEAD)
    python -m harness history baselines/*.json --page trend.html
    """  # noqa: D301
    from harness.files import write_whole
    from harness.judge.history.history_file import add_runs, read_history
    from harness.judge.history.trend import trends
    from reports.trend.trend_page import trend_html
    from reports.trend.trend_text import trend_lines

    if not runs and not path.is_file():
        raise UserError(f"--file {path}: there is none; give the DIR of a run to begin with")
    if all(each.suffix == BASELINE for each in runs):
        refuse_options(("commit",), "it is for the DIR of a run: a baseline has its own")
    added = add_runs(path, [_baseline(each, commit) for each in runs])
    found = list(trends(read_history(path)))
    write_whole(page, trend_html(found).encode())
    print(f"{path}: {added} run{'' if added == 1 else 's'} added")
    print("\n".join(trend_lines(found)) or "no change of level")
    print(f"page: {page}")
    return ExitCode.OK


def _baseline(path: Path, commit: str | None) -> Baseline:
    from harness.cli.parts.serving_run import ServingRun
    from harness.judge.gate.baseline import baseline_of, read_baseline

    if path.suffix == BASELINE:
        return read_baseline(path, "BASELINE.json")
    run = ServingRun.open(path, "DIR")
    return baseline_of(run.folder.read(), run.report().result, commit)
