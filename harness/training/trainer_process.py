"""Runs a trainer as a child process, which fits one model once, and receives its epochs."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.child_process import ChildProcess
from harness.training.epochs import Epoch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.child_process import ControlChannel, Message
    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress
    from harness.training.trainer_spec import TrainerSpec

SILENCE_LIMIT_S = 1800.0  # an epoch longer than this looks like a trainer that hangs
STOP_TIMEOUT_S = 5.0


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


@dataclass(frozen=True, slots=True)
class TrainerProcess:
    """A trainer that is running, and our end of its control channel."""

    process: ChildProcess
    control: ControlChannel

    def wait(self, progress: Progress, on_epoch: Callable[[Epoch], None]) -> str | None:
        """Wait for its end and report its epochs until then. None, or in words why the fit is not whole.

        Raises UserError where the trainer reports a mistake that the user can mend.
        """
        try:
            while (message := self.control.next_event(SILENCE_LIMIT_S, progress)) is not None:
                on_epoch(_epoch(message["row"]))
        except TimeoutError:
            self.process.terminate(STOP_TIMEOUT_S)
            return f"the trainer was silent for {SILENCE_LIMIT_S:.0f} s and was stopped; see trainer.log"
        failure = self.process.failure(self.control.complaint, STOP_TIMEOUT_S)
        return failure and f"the trainer {failure}"


@contextlib.contextmanager
def start_trainer(order: FitOrder, log: Path) -> Iterator[TrainerProcess]:
    """Start a trainer whose output goes to `log`. It is stopped, where it is still running, at the end of the block."""
    process, control = ChildProcess.with_control(order.argv, log=log)
    try:
        yield TrainerProcess(process, control)
    finally:
        if process.exit_code is None:
            process.terminate(STOP_TIMEOUT_S)
        process.close()
        control.close()


def _epoch(row: Message) -> Epoch:
    """A row as it came over the channel; JSON has no NaN, so that a number without a value is null there."""
    whole = {name: float("nan") if value is None else value for name, value in row.items()}
    return msgspec.convert(whole, Epoch)
