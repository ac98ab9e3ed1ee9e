"""Starts and stops the sampler process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

from harness.errors import RunError
from harness.system.child_process import ChildProcess
from harness.system.ending_signals import how_ended

if TYPE_CHECKING:
    from pathlib import Path

    from harness.system.child_process import Fork
    from harness.system.control_channel import ControlChannel
    from harness.system.cpu_cores import Cores

SAMPLERS = "harness.measure.samplers"
READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0


class SamplerProcess:
    """The sampler process beside a trial.

    Args:
        out: where the samples go (Arrow IPC stream).
        target_pid: the target's process; None where the harness did not start one.
        load_pid: the load process.
        cores: the CPU cores it may use, none of the target's; all where empty.
        interval_ms: time from one reading to the next.
        fork: starts it in place of a new interpreter.
    """

    def __init__(
        self,
        *,
        out: Path,
        target_pid: int | None,
        load_pid: int | None,
        cores: Cores = (),
        interval_ms: float = 100.0,
        fork: Fork | None = None,
    ) -> None:
        self._out = out
        self._cores, self._fork = cores, fork
        self._words = ["--out", str(out), "--interval-ms", f"{interval_ms:g}"]
        self._words += [f"--target-pid={target_pid}"] if target_pid is not None else []
        self._words += [f"--load-pid={load_pid}"] if load_pid is not None else []
        self._process: ChildProcess | None = None
        self._control: ControlChannel | None = None
        self.failure: str | None = None  # set by `stop`: why it ended too early or with an error; None where it did not

    @property
    def pid(self) -> int | None:
        """The sampler's process, None where it does not run."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and return once its first samples are on disk. Raises RunError where it cannot."""
        argv = [sys.executable, "-m", SAMPLERS, *self._words]
        self._process, self._control = ChildProcess.with_control(argv, cores=self._cores, fork=self._fork)
        try:
            message = self._control.receive(READY_TIMEOUT_S)
        except TimeoutError:
            message = {"message": f"no reading within {READY_TIMEOUT_S:g} s"}
        if message is None or message.get("event") != "ready":
            self.stop()
            self.failure = (message or {}).get("message", "it ended at once")
            raise RunError(f"the samplers did not start ({self._out}): {self.failure}")

    def stop(self) -> None:
        """Have it write the last samples and end; kill it where it does not. Does nothing a second time."""
        if self._process is None or self._control is None:
            return
        self._control.send({"stop": True})
        self._process.wake()
        if self._process.wait(STOP_TIMEOUT_S) is None:
            self._process.kill()
        if code := self._process.exit_code:
            words = _reported_error(self._control) or self._process.last_words()
            self.failure = words or f"the sampler process {how_ended(code)}"
        self._control.close()
        self._process.close()
        self._process = self._control = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _reported_error(control: ControlChannel) -> str | None:
    while (message := control.receive(timeout_s=1.0)) is not None:
        if message.get("event") == "error":
            return str(message["message"])
    return None
