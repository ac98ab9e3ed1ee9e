"""`harness report`: make the report again."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
def command(run_dir: Path, *, as_json: bool) -> int:
    """Make the report of the run in DIR again, from its rows."""
    from harness.cli.parts import serving_run as execute
    from harness.cli.parts import training_run as training
    from harness.training.run_dir import is_training

    if is_training(run_dir):
        return training.report(run_dir, as_json=as_json)
    return execute.report(run_dir, as_json=as_json)
