"""`harness clean`: removes what this program keeps on the machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from harness.errors import ExitCode
from harness.files import cache_folder

CACHES = {  # what the user names, and its folders in the user's cache folder
    "models": ("models", "exports"),
    "data": ("data",),
    "environments": ("servers",),
    "calibration": ("envelopes",),
}
RUNS = "runs"
KINDS = (*CACHES, RUNS)


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice(KINDS), metavar="[models|data|environments|calibration|runs]...")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, metavar="DIR",
              help="The folder that holds the runs.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Remove without asking.")
def command(kinds: tuple[str, ...], *, results: Path, yes: bool) -> int:
    """Remove trained models, data, environments of servers, calibrations and runs; everything where none is named.

    What is removed is listed with its size first. All but the runs is made again when it is needed.

    \b
    python -m harness clean
    python -m harness clean models environments --yes
    """  # noqa: D301
    found = [(path, _bytes_in(path)) for kind in kinds or KINDS for path in _folders(kind, results)]
    if not found:
        print("nothing to remove")
        return ExitCode.OK
    for path, size_bytes in found:
        print(f"{size_bytes / 1e6:10.1f} MB  {path}")
    if not yes and not click.confirm(f"remove these {sum(size for _, size in found) / 1e6:.1f} MB?"):
        print("nothing was removed")
        return ExitCode.OK
    for path, _ in found:
        shutil.rmtree(path)
    return ExitCode.OK


def _folders(kind: str, results: Path) -> list[Path]:
    """The folders of a kind that exist. A folder in `results` is a run only where it holds a run's record."""
    if kind == RUNS:
        return sorted(record.parent for record in results.glob("*/run.json"))
    return [path for path in map(cache_folder, CACHES[kind]) if path.is_dir()]


def _bytes_in(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())
