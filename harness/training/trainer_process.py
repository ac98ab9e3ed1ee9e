"""Runs a trainer as a child process, which fits one model once, and receives its epochs."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.system.child_process import ChildProcess
from harness.training.epochs import Epoch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from harness.plan.target_spec import Progress
    from harness.system.control_channel import ControlChannel, Message

SILENCE_LIMIT_S = 1800.0  # an epoch longer than this looks like a trainer that hangs
STOP_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class TrainerProcess:
    """A trainer that is running, and our end of its control channel."""

    process: ChildProcess
    control: ControlChannel

    def wait(self, progress: Progress, on_epoch: Callable[[Epoch], None]) -> str | None:
        """Pass each epoch to `on_epoch` until the trainer ends. Returns why the fit is not whole, None where it is.

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
def start_trainer(argv: Sequence[str], log: Path) -> Iterator[TrainerProcess]:
    """Start a trainer with the command line `TrainerSpec.argv`; its output goes to `log`.

    A trainer that is still running at the end of the block is stopped.
    """
    process, control = ChildProcess.with_control(argv, log=log)
    try:
        yield TrainerProcess(process, control)
    finally:
        if process.exit_code is None:
            process.terminate(STOP_TIMEOUT_S)
        process.close()
        control.close()


def _epoch(row: Message) -> Epoch:
    """The epoch in a message. JSON has no NaN: a loss that is not finite arrives as null."""
    whole = {name: float("nan") if value is None else value for name, value in row.items()}
    return msgspec.convert(whole, Epoch)
