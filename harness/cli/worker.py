"""`harness worker`: a worker on another machine, for one trial of a run after the other."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from harness.cli.parts.option_types import Address
from harness.cli.parts.options import DEFAULT_SCENARIO, HEADER_OPTION, TOKEN_OPTION
from harness.clock import NS_PER_S, MonotonicClock
from harness.errors import ExitCode, UserError
from harness.measure.load.locust.workers.worker_secret import PAIRING, checked_secret
from harness.measure.load_command import LOCUST
from harness.plan.scenario import find_scenario
from harness.system.ending_signals import on_ending_signals
from harness.system.process_guard import ProcessGuard
from harness.wire.credentials import TOKEN_TARGETS, own_headers, read_token

if TYPE_CHECKING:
    from collections.abc import Sequence

QUICK_NS = 10 * NS_PER_S
LONGEST_PAUSE_S = 32
STOP_LIMIT_S = 30.0


@click.command()
@click.argument("master", metavar="HOST:PORT", type=Address())
@click.option("--scenario", default=DEFAULT_SCENARIO, show_default=True, help="The same scenario as that of the run.")
@click.option(
    "--pairing-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the pairing secret that the run prints.  [default: SWEEPSPOT_PAIRING, else it is asked for]",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="URL",
    help="Server that the bearer token may be sent to; may be repeated. Needed where there is a token.",
)
@TOKEN_OPTION
@HEADER_OPTION
def command(master: str, scenario: str, pairing_file: Path | None, targets: tuple[str, ...]) -> int:
    """Take part in the load of a run elsewhere, trial after trial, until Ctrl-C.

    HOST:PORT is what that run has as --bind. The run prints a pairing secret, with which it and its workers
    authenticate each other and encrypt what they exchange; the secret is never given on a command line. Where the run
    has a bearer token, give it here too, with the --target that it is for. Both machines need the same version.

    \b
    python -m harness worker 10.0.0.1:5557
    python -m harness worker 10.0.0.1:5557 --pairing-file secret.txt --token-file token.txt --target http://10.0.0.9:8000
    """  # noqa: D301
    os.environ[PAIRING] = _pairing_secret(pairing_file)
    os.environ[TOKEN_TARGETS] = " ".join(targets)
    if (read_token() or own_headers()) and not targets:
        raise UserError(
            "--target: name the server that the bearer token or the headers are for, for example http://10.0.0.9:8000"
        )
    host, _, port = master.rpartition(":")
    path = find_scenario(scenario)
    if not Path(path).is_file():
        raise UserError(f"--scenario {path}: no such file; give its path, or the name of a scenario")
    argv = [sys.executable, "-m", LOCUST, "-f", path, "--worker", "--master-host", host, "--master-port", port]
    on_ending_signals(signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        _work(argv)
    return ExitCode.OK


def _pairing_secret(file: Path | None) -> str:
    """The secret of the file, else of the environment, else typed at the terminal. Raises UserError."""
    if file is not None:
        return checked_secret(file.read_text(errors="replace"))
    if os.environ.get(PAIRING):
        return checked_secret(os.environ[PAIRING])
    if not sys.stdin.isatty():
        raise UserError(f"the pairing secret that the run prints is missing: set {PAIRING}, or give --pairing-file")
    return checked_secret(click.prompt("Pairing secret", hide_input=True))


def _work(argv: Sequence[str]) -> NoReturn:
    """One process for each trial. Where they fail quickly one after the other, they are started ever more rarely."""
    clock = MonotonicClock()
    pause_s = 1
    while True:
        start_ns = clock.now_ns()
        code = _run(argv)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S) if code and clock.now_ns() - start_ns < QUICK_NS else 1
        if code:
            print(f"the worker ended with exit code {code}; it is started again in {pause_s} s", file=sys.stderr)
            clock.sleep_until_ns(clock.now_ns() + pause_s * NS_PER_S)


def _run(argv: Sequence[str]) -> int:
    process = subprocess.Popen(argv)
    with ProcessGuard(process.pid, group=False):
        try:
            return process.wait()
        except KeyboardInterrupt:
            _end(process)
            raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C has reached it too, a signal to this process alone has not. Impatience does not leave it behind."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if process.poll() is None:
        process.terminate()
        process.send_signal(signal.SIGCONT)
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
