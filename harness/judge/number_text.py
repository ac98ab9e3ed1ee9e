"""Numbers in sentences: two or three significant digits, thousands set apart by a narrow space."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_THIN = "\u202f"
ALL_BUT_SURE = 0.99


def figure(value: float, digits: int = 2) -> str:
    """`value` to `digits` significant digits: 9 100, 52, 6.2, 0.031. Whole numbers below 1 000 lose nothing."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals) if abs(value) >= 1000 or decimals > 0 else round(value)
    return grouped(rounded) if decimals <= 0 else f"{rounded:.{decimals}f}".rstrip("0").rstrip(".")


def grouped(value: float) -> str:
    """A whole number with its thousands set apart."""
    return f"{round(value):,}".replace(",", _THIN)


def percent(share: float) -> str:
    """A share of 1 in percent: 0.4 %, 12 %."""
    return f"{figure(100 * share)}{_THIN}%"


def certainty_text(share: float) -> str:
    """A probability that was estimated: 93 %, or `more than 99 %`, never 100 %."""
    return f"more than {percent(ALL_BUT_SURE)}" if share > ALL_BUT_SURE else percent(share)


def listed(names: Sequence[str]) -> str:
    """`a, b and c`, of at least one name."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def milliseconds(value_ms: float, digits: int = 2) -> str:
    """A duration in ms, or in s from 10 s on."""
    value, unit = (value_ms / 1e3, "s") if value_ms >= 10_000 else (value_ms, "ms")
    return f"{figure(value, digits)}{_THIN}{unit}"


def rounded_duration(seconds: float) -> str:
    """An estimate in words, rounded up: `30 seconds`, or from 2 minutes on `3 minutes`."""
    return f"{10 * math.ceil(seconds / 10)} seconds" if seconds <= 110 else f"{math.ceil(seconds / 60)} minutes"


def first_sentence(text: str) -> str:
    """The text up to its first full stop that ends a sentence."""
    return f"{text.split('. ', 1)[0].rstrip('.')}."
