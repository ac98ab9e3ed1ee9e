"""Events of a run. The terminal's progress display is one listener; a listener may ignore any event.

Names and results are text that is ready to show: a listener needs to know nothing about what is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.plan.target_spec import Progress


@dataclass(frozen=True, slots=True)
class Preparing:
    """A step before the measurement goes on: training a model, starting a target. `total` 0: unknown."""

    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """The preparation has ended."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """`trials` are about to run; None where their number is not known (a capacity search)."""

    trials: int | None


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial begins. `steps`: how many it has (epochs of a fit, seconds of a long trial), 0 where none are counted."""

    name: str
    steps: int = 0
    unit: str = "steps"


@dataclass(frozen=True, slots=True)
class TrialProgress:
    """A trial is running. `step`: the step that has just ended, from 1; `left_s`: estimated time left of the run."""

    name: str
    figures: str
    step: int = 0
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial has ended and is on disk. `failure`: why it failed, None where it did not.

    `trials`: for how many it counts; `left_s`: estimated time left of the run, None where the run makes no estimate.
    `rate_rps`, `p99_ms`: what it measured, None where it did not. `doubts`: titles of findings that take trust away.
    `why`: why it is INVALID, `machine busy: ` and a full sentence; empty where it is not.
    """

    name: str
    result: str
    failure: str | None = None
    trials: int = 1
    left_s: float | None = None
    rate_rps: float | None = None
    p99_ms: float | None = None
    doubts: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class TrialSkipped:
    """A trial is not needed: its point is already as precise as requested."""


@dataclass(frozen=True, slots=True)
class Note:
    """One line that the user should see."""

    text: str


TrialEvent = TrialStarted | TrialProgress | TrialEnded | TrialSkipped
Event = Preparing | Prepared | RunStarted | TrialEvent | Note
Listener = Callable[[Event], None]  # called in the process that runs the trials, as the events happen


def progress_events(listener: Listener) -> Progress:
    """A function `(stage, done, total)` that reports the steps of a long preparation to `listener`."""

    def progress(stage: str, done: int, total: int) -> None:
        listener(Prepared() if total and done >= total else Preparing(stage, done, total))

    return progress
