"""The parent's side of the sampler process."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Self

from harness.control import ControlChannel
from harness.errors import RunError
from harness.isolation import pin

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from harness.isolation import Cores

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0


class SamplerProcess:
    """A sampler that runs beside a trial.

    Args:
        out: where the samples go (Arrow IPC stream).
        target_pid: the target's process; None where it is not ours or lives in the load process.
        load_pid: the load process.
        cores: where the sampler may run, that is not on the target's; all where empty.
        interval_ms: from one reading to the next.
    """

    def __init__(
        self, *, out: Path, target_pid: int | None, load_pid: int | None, cores: Cores = (), interval_ms: float = 200.0
    ) -> None:
        self._out = out
        self._cores = cores
        self._words = ["--out", str(out), "--interval-ms", f"{interval_ms:g}"]
        self._words += [f"--target-pid={target_pid}"] if target_pid is not None else []
        self._words += [f"--load-pid={load_pid}"] if load_pid is not None else []
        self._process: subprocess.Popen[bytes] | None = None
        self._control: ControlChannel | None = None
        self.failure: str | None = None  # set by `stop`: why it ended before it was told to, None where all went well

    @property
    def pid(self) -> int | None:
        """The sampler's process, None where it does not run."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and return once its first samples are on disk. Raises RunError where it cannot."""
        self._control, inherited = ControlChannel.pair()
        with inherited:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness.samplers", *self._words, "--control-fd", str(inherited.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(inherited.fileno(),),
                start_new_session=True,  # Ctrl-C is for the harness, which then stops it
            )
        if self._cores:
            pin(self._process.pid, self._cores)
        try:
            message = self._control.receive(READY_TIMEOUT_S)
        except TimeoutError:
            message = {"message": f"no reading within {READY_TIMEOUT_S:g} s"}
        if message is None or message.get("event") != "ready":
            self.stop()
            self.failure = (message or {}).get("message", "it ended at once")
            raise RunError(f"the samplers did not start ({self._out}): {self.failure}")

    def stop(self) -> None:
        """Have it write the last samples and end; then kill it. Does nothing a second time."""
        if self._process is None or self._control is None:
            return
        self._control.send({"stop": True})
        try:
            code = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code != 0:
            self.failure = self._last_words() or f"the samplers ended with exit code {code}"
        self._control.close()
        self._process = self._control = None

    def _last_words(self) -> str | None:
        while self._control is not None and (message := self._control.receive(timeout_s=1.0)) is not None:
            if message.get("event") == "error":
                return str(message["message"])
        return None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()
