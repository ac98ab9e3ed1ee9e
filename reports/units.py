"""Numbers as text: rounding and units, and nothing else. What is absent reads as a dash, never as zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import figure, grouped

if TYPE_CHECKING:
    from harness.judge.interval import Interval
    from harness.judge.metrics import Quantile

ABSENT = "\u2013"
THIN = "\u202f"
_RANGE = "\u2013"
AT_LEAST = "\u2265"
AT_MOST = "\u2264"
ABOUT = "\u2248"
MAY_BE_MORE = "\u2191"


def number(value: float | None, digits: int = 3) -> str:
    """`value` to `digits` significant digits."""
    return ABSENT if value is None else figure(value, digits)


def count(value: int | None) -> str:
    """A whole number with its thousands set apart."""
    return ABSENT if value is None else grouped(value)


def several(number: int, thing: str) -> str:
    """`1 point`, `3 points`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def share(part: int, whole: int) -> str:
    """`part` of `whole` in percent; a dash where there is no whole."""
    return f"{figure(100 * part / whole, 3)}{THIN}%" if whole else ABSENT


def with_unit(value: float | None, unit: str, digits: int = 3) -> str:
    """`12.3 ms`; a dash without unit where it is absent."""
    return ABSENT if value is None else f"{figure(value, digits)}{THIN}{unit}"


def interval(low: float | None, high: float | None, digits: int = 3) -> str:
    """`8 700-9 500`; empty where there is none, one-sided where only one end is known."""
    if low is not None and high is not None:
        return f"{figure(low, digits)}{_RANGE}{figure(high, digits)}"
    if low is not None:
        return f"{AT_LEAST}{THIN}{figure(low, digits)}"
    return "" if high is None else f"{AT_MOST}{THIN}{figure(high, digits)}"


def estimate(value: Interval | None, digits: int = 3) -> tuple[str, str]:
    """The value and its interval; `≈` before a value whose interval is too wide to say anything."""
    if value is not None and value.vague:
        return f"{ABOUT}{THIN}{number(value.value, digits)}", ""
    return (number(value.value, digits), interval(value.low, value.high, digits)) if value else (ABSENT, "")


def latency(value: Quantile | None) -> tuple[str, str]:
    """A percentile and its interval, in ms; an arrow up where the sample is too small for an upper bound.

    `>=` the value where requests that were still open reach into it; `≈` where the interval is too wide.
    """
    if value is None or value.value_ms is None:
        return ABSENT, ""
    if value.only_bound:
        return f"{figure(value.value_ms, 3)}{THIN}{MAY_BE_MORE}", interval(value.low_ms, None)
    if value.vague:
        return f"{ABOUT}{THIN}{figure(value.value_ms, 3)}", ""
    sign = f"{AT_LEAST}{THIN}" if value.at_least else ""
    return f"{sign}{figure(value.value_ms, 3)}", interval(value.low_ms, value.high_ms)


def percentile_name(p: float) -> str:
    """`p99.9`."""
    return f"p{100 * p:g}"


def duration(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{figure(seconds, 2)}{THIN}s"
    if whole < 3600:
        minutes, rest = divmod(whole, 60)
        return f"{minutes}{THIN}min" + (f" {rest}{THIN}s" if rest else "")
    hours, rest = divmod(whole // 60, 60)
    return f"{hours}{THIN}h {rest:02d}{THIN}min"


def machine_number(value: float | None) -> str:
    """For other programs: six significant digits, a point, no grouping; empty where it is absent."""
    if value is None:
        return ""
    text = f"{value:.6g}"
    return f"{value:.0f}" if "e+" in text else text
