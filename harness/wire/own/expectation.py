"""The user's own conditions for a good response; `expectation_text` parses them.

A value that is not there meets no condition. Numbers that are not both whole ones are equal within a tolerance. An
object is equal to an expected one where it has all of its members (to an empty one where it is empty), a list where it
has the same number of equal items.
"""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.wire.bounded_json import JsonError, parse_json
from harness.wire.failure_text import body_text, quoted
from harness.wire.tolerance import OF_DATATYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from harness.wire.tolerance import Tolerance

MAX_EXAMPLE_CHARS = 60
# Others from 200 on say that no whole answer has come: 202 is a job that was taken, 206 a part, 207 many statuses.
SUCCESSES = frozenset((200, 201, 203, 204))
OF_SUCCESS = range(200, 300)
STATUSES = range(100, 600)
ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class MissingError(Exception):
    """A path leads to no value."""


class Field(NamedTuple):
    """A value that the data give for each request, beside its body."""

    name: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. `steps` lead from the document to the value; `values` has several only with `in`."""

    text: str
    subject: str  # "status", "body" or "$"
    steps: tuple[str | int | None, ...]  # None: each item of a list
    operator: str
    values: tuple[Any, ...] = ()

    def failure(self, found: Any, beside: Mapping[str, Any], tolerance: Tolerance) -> str:
        """Why the condition does not hold for `found`, the subject; empty where it does."""
        try:
            values = list(_walk(found, self.steps))
        except MissingError as error:
            return f"{self.text}: there is no {error}"
        if self.operator == "exists":
            return ""
        wanted = [_beside(value, beside) for value in self.values]
        return "" if all(self._holds(value, wanted, tolerance) for value in values) else self.text

    def refused(self, found: Any, beside: Mapping[str, Any], tolerance: Tolerance) -> Iterator[Any]:
        """The values in `found`, the subject, for which the condition does not hold."""
        wanted = [_beside(value, beside) for value in self.values]
        return (value for value in _walk(found, self.steps) if not self._holds(value, wanted, tolerance))

    def _holds(self, value: Any, wanted: list[Any], tolerance: Tolerance) -> bool:
        if self.operator in ORDER:
            return is_number(value) and is_number(wanted[0]) and ORDER[self.operator](value, wanted[0])
        if self.operator == "contains":
            if isinstance(value, str):
                return isinstance(wanted[0], str | int | float) and str(wanted[0]) in value
            return isinstance(value, list) and any(is_same(each, wanted[0], tolerance) for each in value)
        among = any(is_same(value, each, tolerance) for each in wanted)
        return among is not (self.operator in ("!=", "not in"))


@dataclass(frozen=True, slots=True)
class Expectation:
    """All conditions on a response. `statuses` are those that a good one may have."""

    conditions: tuple[Condition, ...]  # without those on the status
    statuses: frozenset[int] | range = SUCCESSES

    @property
    def right_by_status(self) -> frozenset[int]:
        """The statuses that alone make a response right: those of no success, where no condition is on the body."""
        return frozenset() if self.conditions else frozenset(self.statuses).difference(OF_SUCCESS)

    @property
    def fields(self) -> set[str]:
        """The names of the fields beside a body that the conditions need."""
        return {value.name for each in self.conditions for value in each.values if isinstance(value, Field)}

    def missing(self, body: bytes) -> str:
        """The first condition on a value that `body` does not have; empty where it has all."""
        forms = tuple(replace(each, operator="exists") for each in self.conditions)
        return replace(self, conditions=forms).failure(body, {})

    def example(self, failure: str, body: bytes, beside: Mapping[str, Any], tolerance: Tolerance) -> str:
        """A value of `body` that does not meet the condition with the text `failure`, short; empty where none is."""
        condition = next((each for each in self.conditions if each.text == failure), None)
        if condition is None:
            return ""
        found = parse_json(body) if condition.subject == "$" else body.decode("utf-8", "replace").strip()
        return next(map(_short, condition.refused(found, beside, tolerance)), "")

    def failure(self, body: bytes, beside: Mapping[str, Any], tolerance: Tolerance | None = None) -> str:
        """The first condition that the body of a response does not meet; empty where it meets all."""
        allowed = tolerance or OF_DATATYPE["FP32"]
        document: Any = None
        if any(each.subject == "$" for each in self.conditions):
            try:
                document = parse_json(body)
            except JsonError:
                return f"the body is no JSON: {body_text(body)}" if body.strip() else "the body is empty"
        for condition in self.conditions:
            found = document if condition.subject == "$" else body.decode("utf-8", "replace").strip()
            if failure := condition.failure(found, beside, allowed):
                return failure
        return ""


def _short(value: Any) -> str:
    """A value as JSON; of a long one only its size, since a part of a secret would not be recognised as one."""
    text = json.dumps(value, ensure_ascii=False)
    return quoted(text) if len(text) <= MAX_EXAMPLE_CHARS else f"a value of {len(text)} characters"


def both(first: Expectation, second: Expectation) -> Expectation:
    """The expectation that is met where both are."""
    statuses = [each.statuses for each in (first, second) if each.statuses is not SUCCESSES]
    allowed = frozenset(statuses[0]).intersection(*statuses[1:]) if statuses else SUCCESSES
    return Expectation((*first.conditions, *second.conditions), allowed)


def is_same(value: Any, wanted: Any, tolerance: Tolerance) -> bool:
    """Whether a value of a response is the expected one."""
    if is_number(value) and is_number(wanted):
        if isinstance(value, int) and isinstance(wanted, int):
            return value == wanted
        return bool(abs(value - wanted) <= tolerance.absolute + tolerance.relative * abs(wanted))
    if isinstance(value, dict) and isinstance(wanted, dict):
        if not wanted:
            return not value
        return all(name in value and is_same(value[name], each, tolerance) for name, each in wanted.items())
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(
            is_same(one, other, tolerance) for one, other in zip(value, wanted, strict=True)
        )
    return type(value) is type(wanted) and bool(value == wanted)


def _walk(found: Any, steps: tuple[str | int | None, ...], path: str = "$") -> Iterator[Any]:
    """Every value that `steps` lead to. Raises MissingError with the path at which there is nothing."""
    if not steps:
        yield found
        return
    step, rest = steps[0], steps[1:]
    if step is None:
        if not isinstance(found, list) or not found:
            raise MissingError(f"{path}[*]")
        for number, each in enumerate(found):
            yield from _walk(each, rest, f"{path}[{number}]")
        return
    there = f"{path}.{step}" if isinstance(step, str) else f"{path}[{step}]"
    if isinstance(step, str):
        if not isinstance(found, dict) or step not in found:
            raise MissingError(there)
    elif not isinstance(found, list) or not -len(found) <= step < len(found):
        raise MissingError(there)
    yield from _walk(found[step], rest, there)


def _beside(value: Any, beside: Mapping[str, Any]) -> Any:
    return beside.get(value.name) if isinstance(value, Field) else value


def is_number(value: Any) -> bool:
    """Whether `value` is a number in JSON (booleans are none)."""
    return isinstance(value, int | float) and not isinstance(value, bool)
