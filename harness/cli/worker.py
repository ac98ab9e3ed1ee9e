"""`harness worker`: a worker on another machine, for one trial of a run after the other."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import click

from harness.cli.option_types import Address
from harness.cli.options import DEFAULT_SCENARIO, TOKEN_OPTION
from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import ExitCode, RunError
from harness.scenario import find_scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE_NS = 10 * NS_PER_S  # no trial is over, and no master given up, so soon
MOST_AT_ONCE = 3
STOP_LIMIT_S = 30.0


@click.command()
@click.argument("master", metavar="HOST:PORT", type=Address())
@click.option("--scenario", default=DEFAULT_SCENARIO, show_default=True, help="The one that the run has.")
@TOKEN_OPTION
def command(master: str, scenario: str) -> int:
    """Take part in the load of a run elsewhere, trial after trial, until Ctrl-C.

    HOST:PORT is what that run has as --bind. From a checkout of the same version; a bearer token is given here too.

    \b
    python -m harness worker 10.0.0.1:5557
    """  # noqa: D301
    host, _, port = master.rpartition(":")
    path = find_scenario(scenario)
    argv = [sys.executable, "-m", "locust", "-f", path, "--worker", "--master-host", host, "--master-port", port]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _work(argv)
    except KeyboardInterrupt:
        return ExitCode.OK
    raise RunError(f"{path}: the worker ended at once {MOST_AT_ONCE} times; its last lines say why")


def _work(argv: Sequence[str]) -> None:
    """One process for each trial; returns where they end without having worked."""
    at_once = 0
    while at_once < MOST_AT_ONCE:
        start_ns = monotonic_ns()
        code = _run(argv)
        at_once = at_once + 1 if code and monotonic_ns() - start_ns < AT_ONCE_NS else 0


def _run(argv: Sequence[str]) -> int:
    process = subprocess.Popen(argv)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()  # Ctrl-C has reached it too; a signal to this process alone has not
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
