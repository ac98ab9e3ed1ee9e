"""The loads at which the default is tried first: higher while that gives more, lower while the limit is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.search.observation import Observation

FIRST_USERS = 32
LEAST_GAIN = 0.05  # by more load: below it, still more load is not tried
MOST_TRIALS = 5
STRIDE = 2  # load levels apart


def first_level(levels: Sequence[float], *, closed: bool) -> int:
    """The number of the level to begin with: that of 32 users, or the middle one of rates."""
    if not closed:
        return len(levels) // 2
    return int(np.argmin(np.abs(np.log(np.asarray(levels) / FIRST_USERS))))


def next_level(tried: Mapping[int, Observation], levels: Sequence[float], *, closed: bool) -> int | None:
    """The level to try next, by what came of those that were `tried`; None: enough is known."""
    if not tried:
        return first_level(levels, closed=closed)
    level = max(tried) + STRIDE if more_is_worth(tried) else None
    if level is None and all(each.kept is False for each in tried.values()):
        level = min(tried) - STRIDE
    if level is None or not 0 <= level < len(levels) or len(tried) >= MOST_TRIALS:
        return None
    return level


def more_is_worth(tried: Mapping[int, Observation]) -> bool:
    """Whether the highest load that was tried keeps the limit, and gave more than the one a stride below."""
    highest = max(tried)
    last, before = tried[highest], tried.get(highest - STRIDE)
    if last.log_value is None or last.kept is False:
        return False
    return before is None or before.log_value is None or last.log_value - before.log_value > LEAST_GAIN
