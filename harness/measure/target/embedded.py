"""An embedded target as a child process: started, told its knobs, stopped."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from harness.child_process import ChildProcess
from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import RunError, UserError
from harness.judge.metrics import ModelCard
from harness.wire.protocols import GRPC

if TYPE_CHECKING:
    from harness.control import ControlChannel, Message
    from harness.cpu_cores import Cores
    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress, TargetSpec

READY_TIMEOUT_S = 300.0  # without a sign of life; importing TensorFlow takes over 10 s, training may take a minute
SET_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 10.0
USAGE = 2


@dataclass(frozen=True, slots=True)
class Ready:
    """What a target says when it is ready."""

    url: str
    bank: Path | None  # None: nobody knows the right answers
    model: ModelCard | None
    grpc_url: str | None = None
    class_banks: dict[str, Path] = field(default_factory=dict)  # of verbs beside predict
    metrics_url: str | None = None  # where Prometheus' metrics are, if not where they are looked for
    tls_ca: Path | None = None  # the authority of a certificate that the target has made for itself

    def url_for(self, protocol: str) -> str:
        """Where `protocol` is spoken. Raises UserError where it is not."""
        if protocol != GRPC:
            return self.url
        if self.grpc_url is None:
            raise UserError(f"--protocol {GRPC}: this target speaks no gRPC; give it grpc_port=0, or another protocol")
        return self.grpc_url


class EmbeddedTarget:
    """One start of a target, in a process group of its own. It ends when this process does, even by kill -9.

    Args:
        spec: which target; it must have a command.
        model: the model it serves.
        setting: its knobs.
        cores: where it may run; everywhere where empty.
        log: where its output goes; dropped (but for its last lines, if it dies at start) where None.
        progress: told of long steps before it is ready.
    """

    def __init__(
        self,
        spec: TargetSpec,
        model: str,
        setting: Setting,
        *,
        cores: Cores = (),
        log: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        if spec.command is None:
            raise UserError(f"--target {spec.name}: it lives in the load process and cannot be started on its own")
        self._spec = spec
        self._argv = [sys.executable, *spec.command, "--port", "0", "--model", model, "--knobs", json.dumps(setting)]
        self._cores = cores
        self._log = log
        self._progress = progress
        self._process: ChildProcess | None = None
        self._control: ControlChannel | None = None
        self._ready: Ready | None = None

    @property
    def ready(self) -> Ready:
        """Where it is and what it serves."""
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

    def start(self, ready_timeout_s: float = READY_TIMEOUT_S) -> Ready:
        """Start it and wait until it is ready.

        Raises UserError where the target says that the user can mend it, RunError where it dies or stays silent.
        """
        self._process, self._control = ChildProcess.with_control(self._argv, log=self._log, cores=self._cores)
        try:
            self._ready = self._await_ready(ready_timeout_s)
        except BaseException:
            self.stop()
            raise
        return self._ready

    def _await_ready(self, timeout_s: float) -> Ready:
        complaint = ""
        while True:
            try:
                message = self._channel.receive(timeout_s)
            except TimeoutError as error:
                raise RunError(f"target {self._spec.name}: not ready after {timeout_s:.0f} s of silence") from error
            if message is None:
                self._raise_death(complaint)
            elif message.get("event") == "progress" and self._progress is not None:
                self._progress(message["stage"], message["done"], message["total"])
            elif message.get("event") == "error":
                complaint = str(message["message"])
            elif message.get("event") == "ready":
                card = message.get("model")
                model = msgspec.convert(card, ModelCard) if isinstance(card, dict) else None
                banks = {verb: Path(path) for verb, path in message.get("class_banks", {}).items()}
                authority = Path(message["tls_ca"]) if message.get("tls_ca") else None
                return Ready(
                    url=str(message["url"]),
                    bank=Path(message["bank"]),
                    model=model,
                    grpc_url=message.get("grpc_url"),
                    class_banks=banks,
                    tls_ca=authority,
                )

    def _raise_death(self, complaint: str) -> None:
        code = self._process.wait(STOP_TIMEOUT_S) if self._process else 0
        if complaint and code == USAGE:
            raise UserError(complaint)
        said = complaint or self.last_words() or "it said nothing"
        raise RunError(f"target {self._spec.name}: died at start with exit code {code}: {said}")

    def last_words(self) -> str:
        """The last lines of its output, in one line."""
        return self._process.last_words() if self._process else ""

    def set_knobs(self, changes: Setting) -> None:
        """Change live knobs. Raises UserError for an illegal one, RunError where the target does not do it."""
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
            raise RunError(f"target {self._spec.name}: did not take its knobs within {SET_TIMEOUT_S:.0f} s") from error
        if message is None:
            raise RunError(f"target {self._spec.name}: died: {self.last_words() or 'it said nothing'}")
        return message

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Have it drain and end; kill its process group where it doesn't. Nothing where it has ended."""
        if self._control is not None:
            self._control.send({"stop": True})
        if self._process is not None:
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
