"""Child processes: start one in a process group of its own, and end it with everything that it started.

A child with a control channel (`control_channel.py`) ends itself when this process ends. A guard
(`process_guard.py`) ends what does not, so no orphan is left.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import signal
import subprocess
import tempfile
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

from harness.errors import ExitCode, UserError
from harness.system.control_channel import ControlChannel
from harness.system.cpu_cores import pin
from harness.system.cpu_group import CpuGroup, group_pids
from harness.system.ending_signals import how_ended
from harness.system.process_guard import ProcessGuard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from harness.system.cpu_cores import Cores

LAST_LINES = 5
LAST_BYTES = 4096
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(Error|Exception)(: |$)")  # the last line of a traceback begins so
# A program without a lifeline begins once its guard is there. Where its starter is killed before, this reads the end.
_START = ("/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "start")


class Running(Protocol):
    """A process that was started, as `subprocess.Popen` has it."""

    pid: int

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""


class Fork(Protocol):
    """Forks a program from a process that has imported what it needs (`harness/measure/forks/`)."""

    def __call__(self, argv: Sequence[str], log: int, control: int | None, group: CpuGroup | None) -> Running | None:
        """Start `argv`, with the descriptors of its log and control channel; None where it has to be a new process."""


class ChildProcess:
    """A running program. Ctrl-C at the terminal does not reach it, so that this process can end it in order.

    Args:
        argv: the program and its arguments.
        log: the file its output is appended to; None: the output is kept until `close`.
        cores: the CPU cores it may use; all where empty.
        cwd, env: its working directory and environment; None: those of this process.
        control: the descriptor of its end of a control channel, which its argument --control-fd names.
        fork: starts it in place of a new interpreter; None where that is not possible.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        log: Path | None = None,
        cores: Cores = (),
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        control: int | None = None,
        fork: Fork | None = None,
    ) -> None:
        if control is None:
            _require(argv[0], cwd, env)
        self._log: BinaryIO = log.open("a+b") if log else tempfile.TemporaryFile()  # noqa: SIM115  (kept)
        self._log_start = self._log.seek(0, os.SEEK_END)
        self._group = CpuGroup.make()
        try:
            self._process: Running = (
                fork(argv, self._log.fileno(), control, self._group) if fork else None
            ) or subprocess.Popen(
                [*_START, *argv] if control is None else [*argv, "--control-fd", str(control)],
                cwd=cwd,
                env=env,
                stdin=subprocess.PIPE if control is None else subprocess.DEVNULL,
                stdout=self._log,
                stderr=subprocess.STDOUT,
                pass_fds=[] if control is None else [control],
                start_new_session=True,
            )
        except OSError:
            self._log.close()
            if self._group:
                self._group.remove()
            raise
        self.pid = self._process.pid
        # As early as it can be: what it starts is then counted with it and ended with it.
        if self._group:
            self._group.add(self.pid)
        self._guard = ProcessGuard(self.pid, group=True, members=self._group.members if self._group else None)
        try:
            if cores:  # before the program has made any thread, so that all of them inherit it
                pin(self.pid, cores)
        except OSError:
            self.kill()
            self.close()
            raise
        if isinstance(self._process, subprocess.Popen) and self._process.stdin:
            with contextlib.suppress(BrokenPipeError), self._process.stdin as gate:
                gate.write(b"\n")

    @classmethod
    def with_control(
        cls, argv: Sequence[str], *, log: Path | None = None, cores: Cores = (), fork: Fork | None = None
    ) -> tuple[Self, ControlChannel]:
        """Start a program that takes `--control-fd`; returns it with the parent's end of that channel."""
        control, inherited = ControlChannel.pair()
        with inherited:
            try:
                process = cls(argv, log=log, cores=cores, control=inherited.fileno(), fork=fork)
            except OSError:
                control.close()
                raise
        return process, control

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float) -> int | None:
        """Its exit code; None where it still runs after `timeout_s`."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def output(self) -> str:
        """Its output so far."""
        end = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), end - self._log_start, self._log_start).decode(errors="replace")

    def last_words(self) -> str:
        """The last lines of its output, in one line; empty where there are none."""
        return last_words_of(self.output()[-LAST_BYTES:])

    def failure(self, complaint: str, timeout_s: float) -> str | None:
        """Wait for its end: how it died, with its `complaint` or its last words; None where it ended in order.

        Raises UserError where its exit code says that the user can mend what it complains of.
        """
        code = self.wait(timeout_s)
        if complaint and code == ExitCode.USAGE:
            raise UserError(complaint)
        if code == 0:
            return None
        how = f"died with exit code {code}" if code is None or code > 0 else how_ended(code)
        return f"{how}: {complaint or self.last_words() or 'it wrote nothing'}"

    def signal(self, number: int) -> None:
        """Send a signal to its whole process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def wake(self) -> None:
        """Continue it with all that it started, where it is stopped: a stopped process follows no order to end."""
        self.signal(signal.SIGCONT)

    def terminate(self, timeout_s: float) -> None:
        """Send SIGTERM, and kill it where it has not ended after `timeout_s`."""
        self.signal(signal.SIGTERM)
        if self.wait(timeout_s) is None:
            self.kill()

    def kill(self) -> None:
        """Kill it with everything that it started."""
        self._kill_group()
        self._process.wait()

    def _kill_group(self) -> None:
        self.signal(signal.SIGKILL)
        for pid in group_pids(self._group.path) if self._group else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)  # what had left its process group

    def close(self) -> None:
        """Kill what it has left behind, close the log and remove the control group; the process must have ended."""
        self._kill_group()
        self._guard.release()
        self._log.close()
        if self._group:
            self._group.remove()


def _require(program: str, cwd: Path | None, env: Mapping[str, str] | None) -> None:
    """Raise OSError where `program` cannot be executed: the shell that starts it would say so in the log only."""
    path = os.path.join(cwd or "", program) if os.sep in program else program  # noqa: PTH118  (keeps "./")
    if shutil.which(path, path=(os.environ if env is None else env).get("PATH")) is None:
        reason = errno.EACCES if os.sep in program and os.path.exists(path) else errno.ENOENT  # noqa: PTH110
        raise OSError(reason, os.strerror(reason), program)


def run_to_end(argv: Sequence[str], timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a program and return its exit code and output. It ends with this process, and when this is interrupted.

    Raises OSError; subprocess.TimeoutExpired once it was killed.
    """
    _require(argv[0], None, None)
    with (
        subprocess.Popen(
            [*_START, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process,
        ProcessGuard(process.pid, group=True),
    ):
        try:
            output, errors = process.communicate("\n", timeout_s)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(argv, process.returncode, output, errors)


def last_words_of(output: str) -> str:
    """The last lines in one line, and before them the line that names an exception, where its text is longer."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    first = max((at for at, line in enumerate(lines) if _EXCEPTION.match(line)), default=len(lines))
    if first >= len(lines) - LAST_LINES:
        return " | ".join(line.strip() for line in lines[-LAST_LINES:])
    return " | ".join(line.strip() for line in [*lines[first : first + LAST_LINES - 1], "...", lines[-1]])
