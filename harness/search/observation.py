"""What a search learns from: one trial of a setting at one load level."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Observation:
    """What came of one trial. `setting` and `level` are numbers of the space and of the search's levels.

    log_value: the log of the objective, None where there is none. standard_error: of it, as the trial itself shows it.
    log_tail: the log of percentile / limit, None where that is not known. kept: whether the limit is kept by all trials
    of this setting and level, None: undecided. failure: why the setting cannot be served, None where it can.
    """

    setting: int
    level: int
    log_value: float | None = None
    standard_error: float = 0.0
    log_tail: float | None = None
    kept: bool | None = None
    failure: str | None = None
