"""Reads an expectation of the user's (`--expect`).

    status = 200, $.label in (cat, dog), $.score > 0.5, $.boxes[*].class exists, body contains "done"

Conditions stand between commas, and all of them must hold. A condition is about `status`, the text of the `body`, or a
value in a JSON body: `$` is the document, `.name` or `["odd name"]` a member, `[0]` an item (`[-1]` the last), `[*]`
each of them (at least one). Operators are `=`, `!=`, `<`, `<=`, `>`, `>=`, `in (a, b)`, `not in (a, b)`, `contains`
(of a text or a list) and `exists`, which may be left out. A value is a number, `true`, `false`, `null`, a text (in
quotes where it holds a space, a comma or a bracket), a list or an object as JSON writes it, or `{field}`: the field of
that name beside the request's body.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.wire.failure_text import MAX_CHARS, quoted
from harness.wire.own.expectation import ORDER, STATUSES, SUCCESSES, Condition, Expectation, Field, both, is_number
from harness.wire.tolerance import EXACT

if TYPE_CHECKING:
    from harness.wire.own.request_form import RequestForm

EXAMPLE = "status=200, $.label in (a, b), $.score > 0.5"
EXACT_INTEGERS = range(-(1 << 63), 1 << 64)  # that a JSON parser keeps whole
_SUBJECT = re.compile(r"""\s*(status|body|\$(?:\.[^\s.\[\]=!<>,(){}"']+|\[(?:-?\d+|\*|"[^"]*"|'[^']*')\])*)(?![\w$])""")
_STEP = re.compile(r"""\.([^.\[]+)|\[(?:(-?\d+)|(\*)|"([^"]*)"|'([^']*)')\]""")
_OPERATOR = re.compile(r"\s*(!=|<=|>=|==|=|<|>|(?:not\s+in|in|contains|exists)(?!\w))?")
_VALUE = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|'[^']*'|\{([^{}]+)\}|[^\s,(){}"']+)""")
_DOCUMENT = re.compile(r"""\s*(?=\[|\{\s*["}])""")
_NUMBER = re.compile(r"-?\d+(\.\d*)?([eE][+-]?\d+)?|-?\.\d+([eE][+-]?\d+)?")
_CONSTANTS = {"true": True, "false": False, "null": None}


def parse_expectation(text: str, flag: str) -> Expectation:
    """The expectation in `text`. Raises UserError that names the place which cannot be read."""
    conditions: list[Condition] = []
    place = 0
    while not conditions or place < len(text):
        condition, end = _parse_condition(text, place, flag)
        conditions.append(condition)
        rest = text[end:].lstrip()
        if rest and not rest.startswith(","):
            raise _unreadable(text, end, flag)
        place = len(text) - len(rest) + 1 if rest else len(text)
    about_status = [each for each in conditions if each.subject == "status"]
    statuses: frozenset[int] | range = SUCCESSES
    if about_status:
        statuses = frozenset(
            status for status in STATUSES if not any(each.failure(status, {}, EXACT) for each in about_status)
        )
        if not statuses:
            raise UserError(f"{flag} {text}: no status meets that; write for example {EXAMPLE!r}")
    return Expectation(tuple(each for each in conditions if each.subject != "status"), statuses)


def expectation_of(expect: str, request: RequestForm | None) -> Expectation | None:
    """What the user expects of responses and what is expected beside the bodies; None where neither is."""
    texts = [text for text in (expect, request.expect if request else "") if text]
    found = [parse_expectation(text, "--expect") for text in texts]
    return found[0] if len(found) == 1 else both(*found) if found else None


def _parse_condition(text: str, place: int, flag: str) -> tuple[Condition, int]:
    """The condition that begins at `place`, and where it ends. Raises UserError."""
    subject = _SUBJECT.match(text, place)
    if subject is None:
        raise _unreadable(text, place, flag)
    found = _OPERATOR.match(text, subject.end())
    word = " ".join((found[1] if found and found[1] else "exists").split()).replace("==", "=")
    end = found.end() if found and found[1] else subject.end()
    values: tuple[Any, ...] = ()
    if word in ("in", "not in"):
        values, end = _parse_list(text, end, flag)
    elif word != "exists":
        value, end = _parse_value(text, end, flag)
        values = (value,)
    name = subject[1]
    if name == "status" and not all(isinstance(value, int) for value in values):
        raise UserError(f"{flag} {text}: a status is a number; write for example {EXAMPLE!r}")
    if name == "body":
        values = tuple(value if isinstance(value, Field | str) else json.dumps(value) for value in values)
    if word in ORDER and (name == "body" or not all(is_number(value) or isinstance(value, Field) for value in values)):
        raise UserError(f"{flag} {text}: {word} compares numbers; write for example {EXAMPLE!r}")
    steps = tuple(map(_step, _STEP.finditer(name))) if name.startswith("$") else ()
    condition = Condition(
        quoted(text[place:end].strip()), name[:1] if steps or name == "$" else name, steps, word, values
    )
    return condition, end


def _parse_list(text: str, place: int, flag: str) -> tuple[tuple[Any, ...], int]:
    """The values between parentheses, and where they end. Raises UserError."""
    values: list[Any] = []
    rest = re.compile(r"\s*\(").match(text, place)
    while rest is not None:
        value, place = _parse_value(text, rest.end(), flag)
        values.append(value)
        rest = re.compile(r"\s*,").match(text, place)
    closing = re.compile(r"\s*\)").match(text, place)
    if not values or closing is None:
        raise _unreadable(text, place, flag)
    return tuple(values), closing.end()


def _parse_value(text: str, place: int, flag: str) -> tuple[Any, int]:
    if document := _DOCUMENT.match(text, place):
        return _parse_json(text, document.end(), flag)
    match = _VALUE.match(text, place)
    if match is None:
        raise _unreadable(text, place, flag)
    word = match[1]
    if match[2]:
        return Field(match[2]), match.end()
    if word[0] == '"':
        return _parse_json(text, match.start(1), flag)
    if word[0] == "'":
        return word[1:-1], match.end()
    if _NUMBER.fullmatch(word):
        value = float(word) if set(word) & set(".eE") else int(word)
        if isinstance(value, int) and value not in EXACT_INTEGERS:
            raise UserError(f"{flag} {text[:MAX_CHARS]}: {word} has more than 64 bits, and cannot be compared exactly")
        return value, match.end()
    return _CONSTANTS.get(word, word), match.end()


def _parse_json(text: str, place: int, flag: str) -> tuple[Any, int]:
    try:
        return json.JSONDecoder().raw_decode(text, place)
    except (ValueError, RecursionError) as error:
        raise _unreadable(text, place, flag) from error


def _step(match: re.Match[str]) -> str | int | None:
    if match[2] is not None:
        return int(match[2])
    return None if match[3] else next(name for name in (match[1], match[4], match[5]) if name is not None)


def _unreadable(text: str, place: int, flag: str) -> UserError:
    return UserError(
        f"{flag} {text[:MAX_CHARS]}: cannot read {text[place:].strip()[:MAX_CHARS]!r}; write for example {EXAMPLE!r}"
    )
