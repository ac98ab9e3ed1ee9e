"""Starts a server of this project as a child process, changes its live knobs, stops it.

Its command line is `EmbeddedTarget.command`, which `targets/__init__.py` fills: `python -m targets NAME --port 0 ...`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import RunError, UserError
from harness.measure.target.endpoint import ReadyServer
from harness.record.model_card import ModelCard
from harness.system.child_process import ChildProcess

if TYPE_CHECKING:
    from harness.plan.knobs import Setting
    from harness.plan.target_spec import EmbeddedTarget, Progress
    from harness.system.control_channel import ControlChannel, Message
    from harness.system.cpu_cores import Cores

READY_TIMEOUT_S = 300.0  # without a sign of life; importing TensorFlow takes over 10 s, training may take a minute
SET_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0


class EmbeddedServer:
    """One start of an embedded target, in its own process group. It ends when this process does, even by kill -9.

    Args:
        target: the target to start.
        model: the model it serves.
        setting: its knobs.
        cores: the CPU cores it may use; all where empty.
        log: the file its output is appended to; None: only the last lines are kept, for errors.
        progress: called during long steps before it is ready.
    """

    def __init__(
        self,
        target: EmbeddedTarget,
        model: str,
        setting: Setting,
        *,
        cores: Cores = (),
        log: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._name = target.name
        self._argv = [sys.executable, *target.command, "--port", "0", "--model", model, "--knobs", json.dumps(setting)]
        self._cores = cores
        self._log = log
        self._progress = progress
        self._process: ChildProcess | None = None
        self._control: ControlChannel | None = None
        self._ready: ReadyServer | None = None

    @property
    def ready(self) -> ReadyServer:
        """Its URLs and what it serves. Raises RuntimeError before `start`."""
        if self._ready is None:
            raise RuntimeError("start() comes first")
        return self._ready

    @property
    def pid(self) -> int | None:
        """Its process id; None before `start`."""
        return self._process.pid if self._process else None

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.exit_code is None

    def start(self, ready_timeout_s: float = READY_TIMEOUT_S) -> ReadyServer:
        """Start it and wait until it is ready.

        Raises UserError where the target reports a mistake of the user, RunError where it ends or stays silent.
        """
        self._process, self._control = ChildProcess.with_control(self._argv, log=self._log, cores=self._cores)
        try:
            self._ready = self._await_ready(ready_timeout_s)
        except BaseException:
            self.stop()
            raise
        return self._ready

    def _await_ready(self, timeout_s: float) -> ReadyServer:
        try:
            message = self._channel.next_event(timeout_s, self._progress)
        except TimeoutError as error:
            raise RunError(f"target {self._name}: not ready after {timeout_s:.0f} s of silence") from error
        if message is None:
            how = self._process.failure(self._channel.complaint, STOP_TIMEOUT_S) if self._process else None
            raise RunError(f"target {self._name}: not ready: {how or 'it ended with exit code 0'}")
        return _ready_server(message)

    def last_words(self) -> str:
        """The last lines of its output, as one line."""
        return self._process.last_words() if self._process else ""

    def set_knobs(self, changes: Setting) -> None:
        """Change live knobs. Raises UserError for an illegal value, RunError where it does not confirm in time."""
        self._channel.send({"set": changes})
        deadline_ns = monotonic_ns() + int(SET_TIMEOUT_S * NS_PER_S)
        while (message := self._next_message(deadline_ns)).get("event") != "set":
            if message.get("event") == "error":
                raise UserError(str(message["message"]))

    def _next_message(self, deadline_ns: int) -> Message:
        remaining_s = (deadline_ns - monotonic_ns()) / NS_PER_S
        try:
            message = self._channel.receive(max(remaining_s, 0.001))
        except TimeoutError as error:
            raise RunError(f"target {self._name}: did not take its knobs within {SET_TIMEOUT_S:.0f} s") from error
        if message is None:
            raise RunError(f"target {self._name}: died: {self.last_words() or 'it wrote nothing'}")
        return message

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Have it drain and end; kill its process group after `timeout_s`. Does nothing where it has ended."""
        if self._control is not None:
            self._control.send({"stop": True})
        if self._process is not None:
            self._process.wake()
            if self._process.wait(timeout_s) is None:
                self._process.terminate(timeout_s)
            self._process.close()
        if self._control is not None:
            self._control.close()
            self._control = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _channel(self) -> ControlChannel:
        if self._control is None:
            raise RuntimeError("start() comes first")
        return self._control


def _ready_server(message: Message) -> ReadyServer:
    card = message.get("model")
    return ReadyServer(
        url=str(message["url"]),
        grpc_url=message.get("grpc_url"),
        bank=Path(message["bank"]),
        class_banks={verb: Path(path) for verb, path in message.get("class_banks", {}).items()},
        model=msgspec.convert(card, ModelCard) if isinstance(card, dict) else None,
        tls_ca=Path(message["tls_ca"]) if message.get("tls_ca") else None,
    )
