"""Keeps the open requests of other client libraries, so that one without a response is recorded at the end."""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

from harness.clock import monotonic_ns


class OpenRequest(NamedTuple):
    """A request that has begun and not ended."""

    method: str
    name: str  # its path
    start_ns: int


class OpenElsewhere:
    """All of them, by the number that `begin` gives."""

    def __init__(self) -> None:
        self._open: dict[int, OpenRequest] = {}
        self._numbers = count()

    def begin(self, method: str, name: str) -> int:
        """A request begins now. Returns its number."""
        number = next(self._numbers)
        self._open[number] = OpenRequest(method, name, monotonic_ns())
        return number

    def end(self, number: int) -> OpenRequest | None:
        """It has ended, in whatever way. Returns it; None where that was known."""
        return self._open.pop(number, None)

    def before(self, instant_ns: int) -> list[OpenRequest]:
        """Those that began before that instant."""
        return [each for each in self._open.values() if each.start_ns < instant_ns]
