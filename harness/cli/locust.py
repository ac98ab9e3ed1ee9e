"""`harness locust`: Locust as it is, and then the report of what its users met."""

from __future__ import annotations

import contextlib
import glob
import signal
import subprocess
import sys
from pathlib import Path

import click

from harness.errors import UserError
from harness.system.process_guard import ProcessGuard

LOCUST = (sys.executable, "-m", "harness.measure.load.locust.plain")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[LOCUST'S OPTIONS]...")
@click.option("--out", type=click.Path(path_type=Path), default=None)
def command(words: tuple[str, ...], out: Path | None) -> int:
    """Run `locust` with these options, record each request of its users, and report them as those of any run.

    The locustfile needs no import, and all that Locust has works as ever; the run directory is --out.

    \b
    python -m harness locust -f mine.py --headless -u 8 -r 8 -t 30s -H http://127.0.0.1:8000
    """  # noqa: D301
    from harness.cli.parts.run_frame import new_path
    from harness.cli.parts.serving_run import ServingRun
    from harness.clock import wall_time

    folder = new_path(str(out) if out else None, "locust", wall_time())
    record = folder / "run.json"
    if record.is_file():
        raise UserError(f"--out {folder}: it exists already; choose another folder")
    earlier = _further_runs(folder)
    process = subprocess.Popen([*LOCUST, *words, "--out", str(folder)])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Locust, which gets it too, ends the test and writes the rows
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    with ProcessGuard(process.pid, group=False):
        code = process.wait()
    if not record.is_file():  # Locust's help, an error, or a worker, whose master has the run
        return code
    with contextlib.redirect_stdout(sys.stderr if "--json" in words else sys.stdout):  # which is Locust's own JSON
        folders = (folder, *sorted(_further_runs(folder) - earlier))
        codes = [ServingRun.open(each, "--out").show(as_json=False) for each in folders]
    return next(filter(None, codes), code)


def _further_runs(folder: Path) -> set[Path]:
    """The folders of runs that a page has begun by naming another server, other users or other options."""
    return {file.parent for file in folder.parent.glob(f"{glob.escape(folder.name)}-*/run.json")}
