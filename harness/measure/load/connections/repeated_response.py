"""Remembers the last good response to each payload: one that equals it byte for byte need not be parsed again.

What a parser and a check would find in equal bytes is what they found before, so that only the comparison is left. A
response is remembered where three things hold: it came in one read and alone, its connection stays open, and the check
gives each equal response to the same payload the same result. The server's own durations may differ from response to
response: what stands before and behind them is compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.measure.load.payloads.response_check import CheckResult
    from harness.wire.http.llhttp_parser import HttpResponse

TIMING = b"\r\nserver-timing:"
MAX_BYTES = 64 << 20  # of all remembered responses
LEAST_TRIES = 4096  # responses that are remembered before it is asked whether any has come again
TRIES_PER_REPEAT = 4


@dataclass(frozen=True, slots=True)
class GoodResponse:
    """A whole response as it was read, head included, and what its row says."""

    raw: bytes | None  # None where it has durations of the server
    before: bytes  # the durations
    behind: bytes  # the durations; empty where it has none
    fixed_bytes: int  # of the response without the durations
    status: int
    checked: int  # 1 where the body was compared with the expected output, else 0
    predicted: int  # the label it predicts, or ABSENT

    def timing_in(self, data: bytes) -> bytes:
        """The durations in `data`, if these are all that differs; else empty."""
        if not (self.behind and data.startswith(self.before) and data.endswith(self.behind)):
            return b""
        timing = data[len(self.before) : -len(self.behind)]
        return b"" if b"\r" in timing or timing != timing.strip() else timing


class RepeatedResponses:
    """The last good response of each payload. `repeats` counts the responses that equalled theirs."""

    def __init__(self) -> None:
        self._good: dict[int, GoodResponse] = {}
        self._room_bytes = MAX_BYTES
        self._tries = 0
        self.repeats = 0
        self.of: Callable[[int], GoodResponse | None] = self._good.get  # the one of a payload's number

    def remember(self, payload: int, raw: bytes, response: HttpResponse, result: CheckResult) -> None:
        """Remember `response`, if `raw`, which was read last, is all of it.

        Where responses hardly ever come again, each with a number of its own for example, nothing more is remembered.
        """
        if len(raw) != response.size_bytes:
            return
        before, timing, behind = raw.partition(response.timing) if response.timing else (raw, b"", b"")
        if response.timing and not (before.rstrip(b" ").lower().endswith(TIMING) and behind.startswith(b"\r\n")):
            return
        self._tries += 1
        if self._tries > LEAST_TRIES + TRIES_PER_REPEAT * self.repeats:
            return
        last = self._good.get(payload)
        fixed_bytes = len(before) + len(behind)
        room_bytes = self._room_bytes + (last.fixed_bytes if last else 0) - fixed_bytes
        if room_bytes >= 0:
            self._room_bytes = room_bytes
            self._good[payload] = GoodResponse(
                *(None if timing else raw, before, behind, fixed_bytes),
                *(response.status, result.compared, result.predicted),
            )
