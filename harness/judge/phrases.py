"""Phrases that the sentences of several results share: a rate with its range, a load level, a setting's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure, percent
from harness.judge.stats.trial_noise import PRIOR_SIGMA
from harness.plan.arrivals import kind_of

if TYPE_CHECKING:
    from harness.judge.interval import Interval
    from harness.plan.plan import Point

OF_ONE_REPEAT = f"whose intervals suppose that trials differ by {percent(PRIOR_SIGMA)}"
TIMES, TO = "\u00d7", "\u2013"
_THREE_DIGITS = 0.025  # an interval whose half is this narrow, relative to its value, deserves a third digit


def rate_text(rate: Interval, unit: str) -> str:
    """`9 100 req/s (9 000-9 200)`."""
    digits = 3 if rate.width < 2 * _THREE_DIGITS * rate.value else 2
    return f"{figure(rate.value, digits)} {unit}{range_text(rate, digits)}"


def range_text(estimate: Interval, digits: int) -> str:
    """` (480-510)`; nothing where there is no interval, and no numbers where it is too wide to say anything."""
    if estimate.low is None or estimate.high is None:
        return ""
    if estimate.vague:
        return " (not known how exactly)"
    return f" ({figure(estimate.low, digits)}{TO}{figure(estimate.high, digits)})"


def ratio_text(ratio: Interval) -> str:
    """`1.3× (1.2-1.4)`."""
    return f"{figure(ratio.value)}{TIMES}{range_text(ratio, 2)}"


def points_text(difference: Interval) -> str:
    """A difference of two shares of 1 with its range: `+3 (+2 to +4) percentage points`."""
    value, low, high = (_points(min(max(share, -1.0), 1.0)) for share in (difference.value, *difference.ends))
    return f"{value} ({low} to {high}) percentage points"


def _points(share: float) -> str:
    points = round(100 * share, 4) + 0.0  # sums of shares that cancel leave a trace, and may leave a minus
    return f"{'+' if points > 0 else ''}{figure(points)}"


def users_text(users: int) -> str:
    """`1 user`, `32 users`."""
    return f"{users} user{'' if users == 1 else 's'}"


def level_text(point: Point) -> str:
    """`32 users`, `480 req/s`, or the name of the arrivals."""
    return level_words(
        getattr(point.arrivals, "users", None), getattr(point.arrivals, "rate_rps", None), kind_of(point.arrivals)
    )


def level_words(users: int | None, rate_rps: float | None, arrivals: str) -> str:
    """`32 users`, `480 req/s`, or the name of the arrivals, which has neither."""
    if users is not None:
        return users_text(users)
    return f"{figure(rate_rps, 4)} req/s" if rate_rps else arrivals


def capital(text: str) -> str:
    """The text with a capital for the words of a sentence, none for a knob, whose name is what a user types."""
    return text[0].upper() + text[1:] if text.startswith("the ") else text
