"""`harness clean`: removes what this program keeps on the machine."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from harness.errors import ExitCode, UserError
from harness.files import cache_folder

CACHES = {  # what the user names, and its folders in the user's cache folder
    "models": ("models", "exports"),
    "data": ("data",),
    "environments": ("servers",),
    "calibration": ("envelopes",),
}
RUNS = "runs"
CALIBRATION = "calibration.json"  # what `calibrate` writes last
KINDS = (*CACHES, RUNS)


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice(KINDS), metavar="[models|data|environments|calibration|runs]...")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, metavar="DIR",
              help="The folder that holds the runs.")  # fmt: skip
@click.option("--yes", is_flag=True, help="Remove without asking.")
def command(kinds: tuple[str, ...], *, results: Path, yes: bool) -> int:
    """Remove trained models, data, environments of servers, calibrations and runs; everything where none is named.

    What is removed is listed with its size first. All but the runs is made again when it is needed. A run
    that is being measured stays, and so does what a link leads to.

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
    kept = [problem for path, _ in found if (problem := _remove(path))]
    if kept:
        raise UserError(f"{'; '.join(kept)}: cannot be removed; make it writable")
    return ExitCode.OK


def _folders(kind: str, results: Path) -> list[Path]:
    """What there is of a kind. Of a cache that is a link to another disk, what lies in it: the link stays."""
    if kind == RUNS:
        return _runs(results)
    caches = [path for path in map(cache_folder, CACHES[kind]) if path.is_dir()]
    return [each for path in caches for each in (sorted(path.iterdir()) if path.is_symlink() else [path])]


def _runs(results: Path) -> list[Path]:
    """The runs, the calibrations, and links to them: folders with a record. One that is being written to stays."""
    from harness.record.run_folder import is_locked

    records = (*results.glob("*/run.json"), *results.glob(f"*/{CALIBRATION}"))
    folders = sorted({record.parent for record in records})
    writing = [folder for folder in folders if is_locked(folder)]
    for folder in writing:
        print(f"{folder}: a run is writing here; it stays")
    return [folder for folder in folders if folder not in writing]


def _remove(path: Path) -> str:
    """Remove a folder, a file, or a link without what it leads to. Returns why that failed; empty where it did not."""
    try:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    except OSError as error:
        return f"{error.filename or path} ({error.strerror})"
    return ""


def _bytes_in(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    return sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
