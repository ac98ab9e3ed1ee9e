"""Parses the text of options and of `name=value` words. No other module splits or converts such text.

Each parser takes the text and the flag that it was given to, and raises a UserError that names that flag.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.errors import UserError, unknown_name
from harness.wire.tolerance import Tolerance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

WEEK_S = 7 * 86_400.0
_TIME = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(us|ms|s|m|h)?")
_SET_ELSEWHERE = {
    "model": "--model",
    "messages": "the load",
    "prompt": "the load",
    "input": "the load",
    "stream": "--stream",
    "max_tokens": "--output-tokens",
    "max_completion_tokens": "--output-tokens and --length-field",
    "max_output_tokens": "--output-tokens",
    "min_tokens": "--min-tokens",
    "ignore_eos": "--ignore-eos",
}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, None: 1.0, "m": 60.0, "h": 3600.0}


class LoadOption(NamedTuple):
    """One option: its flag, the field that it fills, and the parser of its text."""

    flag: str
    field: str
    parse: Callable[[str, str], Any]  # text and flag to value; raises UserError
    doc: str
    metavar: str = "TEXT"

    @property
    def name(self) -> str:
        """The flag as an identifier: `connect_timeout`."""
        return self.flag.removeprefix("--").replace("-", "_")


def split_word(word: str) -> tuple[str, str | None]:
    """`"batch_size=1,8"` as name and value; the value is None where the word has no `=`."""
    name, equals, value = word.partition("=")
    return name, value if equals else None


def names_of(words: Iterable[str]) -> list[str]:
    """The names in words such as `batch_size` or `batch_size=1,8`, in their order."""
    return [split_word(word)[0] for word in words]


def parse_seconds(text: str, flag: str) -> float:
    """`500ms`, `2s`, `1.5m` or a bare number of seconds, as seconds; a week at most."""
    match = _TIME.fullmatch(str(text).strip())
    if match is None:
        raise UserError(f"{flag} {text}: not a length of time; write for example 500ms, 2s or 1m")
    seconds = float(match[1]) * _SECONDS[match[2]]
    if seconds > WEEK_S:
        raise UserError(f"{flag} {text}: give a week at most")
    return seconds


def seconds_text(seconds: float) -> str:
    """A length of time as `parse_seconds` reads it, without loss: `2s`, `0.5s`."""
    text = format(Decimal(repr(seconds)), "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "s"


def parse_positive_seconds(text: str, flag: str) -> float:
    """As `parse_seconds`, but more than zero."""
    seconds = parse_seconds(text, flag)
    if seconds <= 0:
        raise UserError(f"{flag} {text}: give more than zero")
    return seconds


def number(low: float, high: float, *, above: bool = False, below: bool = False) -> Callable[[str, str], float]:
    """A parser of numbers from `low` to `high`; with `above` and `below` without these ends. NaN is refused."""

    def parse(text: str, flag: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (low < value if above else low <= value) or not (value < high if below else value <= high):
            lowest = f"above {low:g}" if above else f"of {low:g} or more"
            highest = f"below {high:g}" if below else f"{high:g} at most"
            raise UserError(f"{flag} {text}: give a number {lowest}, {highest}")
        return value

    return parse


def whole(low: int, high: int) -> Callable[[str, str], int]:
    """A parser of whole numbers from `low` to `high`."""

    def parse(text: str, flag: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise UserError(f"{flag} {text}: give a whole number from {low} to {high}")
        return value

    return parse


def choice(known: Iterable[str]) -> Callable[[str, str], str]:
    """A parser that accepts the `known` words and no other."""
    words = tuple(known)

    def parse(text: str, flag: str) -> str:
        if text not in words:
            raise unknown_name(flag, text, words)
        return text

    return parse


def parse_switch(text: str, flag: str) -> bool:
    """`on` or `off`."""
    return choice(("on", "off"))(text, flag) == "on"


def parse_tolerance(text: str, flag: str) -> Tolerance:
    """`0.01` (relative) or `0.01,1e-5` (relative and absolute). Raises UserError."""
    try:
        relative, absolute = (float(word) for word in (text if "," in text else f"{text},0").split(","))
    except ValueError:
        relative = absolute = math.nan
    if not (0 <= relative < math.inf and 0 <= absolute < math.inf):
        raise UserError(f"{flag} {text}: write a share of the expected value, and after a comma an absolute difference")
    return Tolerance(relative, absolute)


def parse_extra_body(text: str, flag: str) -> dict[str, Any]:
    """A JSON object, or `@FILE` with one. Raises UserError, also for a field that other options set."""
    try:
        fields = json.loads(Path(text[1:]).read_bytes() if text.startswith("@") else text)
    except OSError as error:
        raise UserError(f"{flag} {text}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"{flag}: no JSON ({error}); write for example '{{\"top_p\": 0.9}}'") from error
    if not isinstance(fields, dict):
        raise UserError(f"{flag}: it must be a JSON object, for example '{{\"top_p\": 0.9}}'")
    for name, instead in _SET_ELSEWHERE.items():
        if name in fields:
            raise UserError(f"{flag}: {name} is set by {instead}; leave it out")
    return fields


def parse_path(text: str, flag: str) -> str:
    """A path, as it was written."""
    del flag
    return text
