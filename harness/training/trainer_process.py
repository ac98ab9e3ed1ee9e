"""A trainer as a child process: it fits one model once, says how far it is, and ends with its parent."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import msgspec

from harness.child_process import ChildProcess
from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import UserError
from harness.training.epochs import Epoch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from harness.child_process import ControlChannel, Message
    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress
    from harness.training.trainer_spec import TrainerSpec

SILENCE_LIMIT_S = 1800.0  # an epoch longer than this looks like a trainer that hangs
STOP_TIMEOUT_S = 5.0
USAGE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FitOrder:
    """What one trainer process is to do."""

    spec: TrainerSpec
    model: str
    setting: Setting
    seed: int
    folder: Path  # gets epochs.arrow and fit.json

    @property
    def argv(self) -> list[str]:
        """The command line, but for the control channel."""
        return [
            *(sys.executable, *self.spec.command, "--model", self.model, "--seed", str(self.seed)),
            *("--knobs", json.dumps(self.setting), "--out", str(self.folder)),
        ]


class TrainerProcess:
    """One start of a trainer, in a process group of its own. It ends when this process does, even by kill -9.

    Args:
        order: what it is to fit.
        log: where its output goes.
    """

    def __init__(self, order: FitOrder, log: Path) -> None:
        self._order = order
        self._log = log
        self._process: ChildProcess | None = None
        self._control: ControlChannel | None = None

    @property
    def pid(self) -> int | None:
        """Its process id; None before it was started."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.exit_code if self._process else None

    def start(self) -> None:
        """Start it; it says by itself how far it is."""
        self._process, self._control = ChildProcess.with_control(self._order.argv, log=self._log)

    def wait(self, progress: Progress, on_epoch: Callable[[Epoch], None]) -> str | None:
        """Until it has ended; None, or in words why the fit is not whole.

        Raises UserError where the trainer says that the user can mend it.
        """
        complaint = ""
        deadline_ns = monotonic_ns() + int(SILENCE_LIMIT_S * NS_PER_S)
        while True:
            try:
                message = self._receive(deadline_ns)
            except TimeoutError:
                self.stop()
                return f"the trainer was silent for {SILENCE_LIMIT_S:.0f} s and was stopped; see trainer.log"
            if message is None:
                return self._ended(complaint)
            deadline_ns = monotonic_ns() + int(SILENCE_LIMIT_S * NS_PER_S)
            if message.get("event") == "progress":
                progress(message["stage"], message["done"], message["total"])
            elif message.get("event") == "epoch":
                on_epoch(_epoch(message["row"]))
            elif message.get("event") == "error":
                complaint = str(message["message"])

    def _receive(self, deadline_ns: int) -> Message | None:
        if self._control is None:
            raise RuntimeError("start() comes first")
        return self._control.receive(max((deadline_ns - monotonic_ns()) / NS_PER_S, 0.001))

    def _ended(self, complaint: str) -> str | None:
        code = self._process.wait(STOP_TIMEOUT_S) if self._process else 0
        if complaint and code == USAGE:
            raise UserError(complaint)
        if code == 0:
            return None
        said = complaint or (self._process.last_words() if self._process else "") or "it said nothing"
        return f"the trainer died with exit code {code}: {said}"

    def stop(self) -> None:
        """Have it end; kill its process group where it does not. Nothing where it has ended."""
        if self._process is not None:
            if self._process.exit_code is None:
                self._process.terminate(STOP_TIMEOUT_S)
            self._process.close()
        if self._control is not None:
            self._control.close()
            self._control = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.stop()


def _epoch(row: Message) -> Epoch:
    """A row as it came over the channel; JSON has no NaN, so that a number without a value is null there."""
    whole = {name: float("nan") if value is None else value for name, value in row.items()}
    return msgspec.convert(whole, Epoch)
