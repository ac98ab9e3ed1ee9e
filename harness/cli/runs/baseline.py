"""`harness baseline`: keeps the figures of a run in a small file."""

from __future__ import annotations

from pathlib import Path

import click

from harness.errors import ExitCode


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("baseline.json"),
    show_default=True,
    help="The file to write.",
)
@click.option("--commit", default=None, help="The commit of the server under test.  [default: that of this checkout]")
def command(run_dir: Path, *, out: Path, commit: str | None) -> int:
    """Keep the figures of the run in DIR, its plan and its machine in a file of some kilobytes, for `gate`.

    \b
    python -m harness baseline results/my-run --out main.json --commit $(git rev-parse HEAD)
    """  # noqa: D301
    from harness.cli.parts.serving_run import ServingRun
    from harness.files import pretty, write_whole
    from harness.judge.gate.baseline import baseline_of
    from reports.units import several

    run = ServingRun.open(run_dir, "DIR")
    made = baseline_of(run.folder.read(), run.report().result, commit)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, pretty(made))
    print(f"{out}: {several(len(made.points), 'point')}, {out.stat().st_size / 1e3:.0f} KB")
    return ExitCode.OK
