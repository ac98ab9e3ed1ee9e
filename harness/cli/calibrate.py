"""`harness calibrate`: checks the load generator against servers whose true figures are known."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.parts.command_line import recorded_command_line
from harness.cli.parts.options import DEFAULT_SCENARIO
from harness.errors import ExitCode, UserError
from harness.plan.scenario import find_scenario
from harness.system.ending_signals import on_ending_signals

if TYPE_CHECKING:
    from harness.calibration.result import Calibration


@click.command()
@click.option("--quick", is_flag=True, help="The most informative exercises, in under two minutes.")
@click.option(
    "--beside",
    multiple=True,
    metavar="NAME",
    help="Run another load generator on the same servers: wrk, hey, locust, or all that are installed.",
)
@click.option("--only", multiple=True, metavar="EXERCISE", help="Only this exercise; may be repeated.")
@click.option("--scenario", default=DEFAULT_SCENARIO, show_default=True, help="The locustfile, or the name of ours.")
@click.option("--out", type=click.Path(), default=None, help="Where all runs are kept.  [default: results/<date>-...]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output.")
def command(
    *, quick: bool, beside: tuple[str, ...], only: tuple[str, ...], scenario: str, out: str | None, as_json: bool
) -> int:
    """Check the load generator against servers whose true figures are known.

    The servers log every request; they queue, stall, hang, send slowly, predict wrongly and break connections. The
    command prints the true figure, the reported one and the error, then the envelope: what this generator can do on
    this machine. The envelope is kept, and later points beyond it get a finding. Exit code 4: a figure of ours was
    wrong.

    \b
    python -m harness calibrate --quick
    python -m harness calibrate --beside all
    """  # noqa: D301
    from harness.calibration.calibration_run import calibrate
    from harness.calibration.exercise_run import CalibrationJob
    from harness.calibration.exercises import chosen
    from harness.calibration.peers import chosen_peers
    from harness.cli.parts.progress import listening
    from harness.cli.parts.run_frame import new_path
    from harness.clock import wall_time
    from harness.measure.samplers.machine.gpu import describe_gpus
    from harness.record.machine.envelope import keep
    from harness.record.machine.environment import capture
    from harness.record.run_dir import RunDir

    if not Path(find_scenario(scenario)).is_file():
        raise UserError(f"--scenario {scenario}: no such file; give its path")
    peers = chosen_peers(beside)
    chosen(quick=quick, only=only)  # a wrong name is reported before anything is made
    folder = RunDir.create(new_path(out, "calibrate", wall_time()))
    on_ending_signals(signal.default_int_handler)
    with listening() as listener:
        job = CalibrationJob(
            out=folder.path,
            quick=quick,
            only=only,
            peers=peers,
            scenario=scenario,
            environment=capture(describe_gpus()),
            command_line=recorded_command_line(sys.argv[1:]),
            listener=listener,
        )
        calibration = calibrate(job)
    kept = keep(calibration.envelope) if calibration.envelope else None
    _show(calibration, folder.path, kept, as_json=as_json)
    if calibration.interrupted:
        return ExitCode.INTERRUPTED
    return ExitCode.OK if calibration.right else ExitCode.INVALID


def _show(calibration: Calibration, folder: Path, kept: Path | None, *, as_json: bool) -> None:
    import msgspec

    from harness.files import write_whole
    from reports.calibration import calibration_markdown, calibration_text

    content = msgspec.json.format(msgspec.json.encode(calibration), indent=2) + b"\n"
    write_whole(folder / "calibration.json", content)
    write_whole(folder / "calibration.md", calibration_markdown(calibration).encode())
    if as_json:
        print(content.decode(), end="")
        return
    print(calibration_text(calibration))
    if kept is not None:
        print(f"\nenvelope: {kept}")
    print(f"report: {folder / 'calibration.md'}")
