"""What a search chooses: the next trial, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a trial is made."""

    DEFAULT = "the default"
    SCREEN = "unlike all so far"
    IMPROVE = "may be the best"
    NEAR = "one knob from the best so far"
    POSSIBLE = "little is known of it"
    LIMIT = "may keep the limit"
    ENGINE = "chosen by Optuna"
    CONFIRM = "fresh, to confirm"


@dataclass(frozen=True, slots=True)
class Choice:
    """The next trial: numbers of a setting and a load level, why, and the improvement that is expected (a share)."""

    setting: int
    level: int
    reason: Reason
    gain: float | None = None


@dataclass(frozen=True, slots=True)
class Costs:
    """What a trial takes, in seconds: where the target goes on running, and what a start of it adds."""

    trial_s: float
    restart_s: float
