"""`harness report`: make the report again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
def command(run_dir: Path, *, as_json: bool) -> int:
    """Make the report of the run in DIR again, from its rows."""
    from harness.cli.parts.open_run import open_run

    return open_run(run_dir, "DIR").show(as_json=as_json)
