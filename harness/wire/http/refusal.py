"""Finds out whether the report of a failure is a refusal for the time being, and how long its client should wait.

Servers of language models refuse with a status, or inside a stream that has begun with status 200: Anthropic's
`overloaded_error`, the `RateLimitError` of gateways, SGLang's full queue (code 503).
"""

from __future__ import annotations

import re
from itertools import starmap
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.clock import NS_PER_S
from harness.wire.bounded_json import JsonError, parse_json
from harness.wire.http.retry_after import MOST_S

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED_STATUSES = (429, 503, 529)  # too many requests, unavailable, overloaded (Anthropic)
MOST_CHARS, MOST_LEVELS = 1000, 6
_REFUSES = re.compile(
    r"rate.?limit|too.?many.?requests|overloaded|unavailable|throttl|resource.?exhausted|quota|queue.is.full|"
    r"(?:server|engine|model|currently).{1,12}\bbusy",
    re.IGNORECASE,
)
_CODES = {"code", "status", "statuscode", "errorcode"}
_WORDS = {*_CODES, "type", "errortype", "error", "errors", "message", "msg", "statusmsg", "detail", "reason"}
_WAITS = {"retryafter": 1.0, "retryafterseconds": 1.0, "retryafterms": 1e-3, "retrydelay": 1.0}  # in seconds
_TIME = r"(\d+(?:\.\d+)?) ?(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?)(?![a-z])"
_TIMES = re.compile(_TIME, re.IGNORECASE)
_ASKED = re.compile(rf"\b(?:try again|retry|wait)\b\D{{0,40}}((?:{_TIME} ?)+)", re.IGNORECASE)
_SECONDS = {"ms": 1e-3, "mi": 60.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class Refusal(NamedTuple):
    """A refusal for the time being. `wait_ns` is how long the server asks its client to wait; None: it does not say."""

    wait_ns: int | None


def refusal_in(body: bytes) -> Refusal | None:
    """The refusal that a body reports, as JSON or as text; None where it reports none, or another failure."""
    try:
        document = parse_json(body)
    except JsonError:
        document = body[:MOST_CHARS].decode("utf-8", "replace")
    return refusal_of(document)


def refusal_of(document: Any) -> Refusal | None:
    """The refusal that a report of a failure is: one that asks for a wait, or names a limit; None where it is none."""
    members = list(_members("error", document, MOST_LEVELS))
    waits_s = [wait_s for wait_s in starmap(_wait_s, members) if wait_s is not None]
    if not waits_s and not any(starmap(_refuses, members)):
        return None
    return Refusal(round(min(max(waits_s), MOST_S) * NS_PER_S) if waits_s else None)


def _members(name: str, value: Any, levels: int) -> Iterator[tuple[str, str | float]]:
    """Names, in small letters alone, and values of the numbers and texts in a document, `levels` deep at most."""
    if isinstance(value, str):
        yield name, value[:MOST_CHARS]
    elif isinstance(value, int | float):
        yield name, value
    elif isinstance(value, list) and levels:
        for each in value[:MOST_LEVELS]:
            yield from _members(name, each, levels - 1)
    elif isinstance(value, dict) and levels:
        for key, each in value.items():
            yield from _members(re.sub("[^a-z]", "", str(key).lower()), each, levels - 1)


def _refuses(name: str, value: str | float) -> bool:
    if name in _CODES and str(value) in map(str, REFUSED_STATUSES):
        return True
    return name in _WORDS and isinstance(value, str) and _REFUSES.search(value) is not None


def _wait_s(name: str, value: str | float) -> float | None:
    """The wait in seconds that a member asks for, such as `"retryDelay": "37s"`; None where it asks for none."""
    if name in _WAITS:
        if isinstance(value, str):
            return _sum_s(value) if _TIMES.search(value) else _number(value, _WAITS[name])
        return value * _WAITS[name] if value >= 0 else None
    asked = _ASKED.search(value) if name in _WORDS and isinstance(value, str) else None
    return _sum_s(asked[1]) if asked else None


def _number(value: str, unit_s: float) -> float | None:
    return float(value) * unit_s if re.fullmatch(r"\d{1,9}(?:\.\d+)?", value) else None


def _sum_s(times: str) -> float:
    """Seconds in a text such as `1m30.5s`."""
    return sum(
        float(number) * (_SECONDS.get(unit.lower()[:2]) or _SECONDS[unit.lower()[:1]])
        for number, unit in _TIMES.findall(times)
    )
