"""What a run tells whoever watches it. Progress on a terminal is one listener; silence is another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from harness.judge.metrics import TrialMetrics
    from harness.plan.plan import Plan, Point, Trial
    from harness.record.live import Live


@dataclass(frozen=True, slots=True)
class Preparing:
    """Something long before the measuring: training a model, starting a target. `total` 0: unknown."""

    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was being prepared stands ready."""


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The plan stands and `trials_left` trials are to be run."""

    plan: Plan
    trials_left: int


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """A trial begins."""

    trial: Trial
    point: Point


@dataclass(frozen=True, slots=True)
class TrialGoes:
    """A trial is being measured, and this is how it goes."""

    point: Point
    live: Live


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A trial's rows are on disk; `metrics` None where it failed."""

    trial: Trial
    point: Point
    metrics: TrialMetrics | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class TrialSpared:
    """A trial is not needed: its point is known as precisely as was asked for."""

    trial: Trial
    point: Point


@dataclass(frozen=True, slots=True)
class StepsStarted:
    """Work other than a plan's trials begins, in so many steps."""

    total: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """One step begins."""

    name: str


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step ended, which may count for several."""

    name: str
    outcome: str
    steps: int = 1


@dataclass(frozen=True, slots=True)
class Note:
    """One line that the user should see."""

    text: str


TrialEvent = RunStarted | TrialStarted | TrialGoes | TrialEnded | TrialSpared
StepEvent = StepsStarted | StepStarted | StepEnded
Event = Preparing | Prepared | TrialEvent | StepEvent | Note


class Listener(Protocol):
    """Takes the events as they happen, in the process that runs the sweep."""

    def __call__(self, event: Event) -> None:
        """Show or ignore one event."""
