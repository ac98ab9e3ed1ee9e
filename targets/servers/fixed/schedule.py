"""Computes when a `fixed` server responds, as a pure function of arrivals, settings and seeds.

A FIFO queue: start = max(arrival, earliest free server), end = start + service time. During a stall no response leaves:
a service that would end in a stall ends with it.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.clock import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.plan.knobs import Value


class FaultOutcome(StrEnum):
    """How a request ends: with a right response or with an injected fault."""

    OK = "ok"
    WRONG = "wrong"
    ERROR = "error"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class PlannedResponse:
    """The planned response to a request, in ns on the clock of its arrival; a hang has the time it would have left."""

    start_ns: int
    due_ns: int
    outcome: FaultOutcome


class FixedSchedule:
    """Plans the response to each arrival; stalls and the hang are timed from the first arrival."""

    def __init__(self, setting: Mapping[str, Value]) -> None:
        self._service_ns = float(setting["delay_ms"]) * NS_PER_MS
        self._exponential = setting["service"] == "exponential"
        self._stall_every_ns = round(float(setting["stall_every_s"]) * NS_PER_S)
        self._stall_ns = round(float(setting["stall_s"]) * NS_PER_S)
        self._hang_after_ns = round(float(setting["hang_after_s"]) * NS_PER_S)
        shares = [
            (FaultOutcome.ERROR, "error_share"),
            (FaultOutcome.WRONG, "wrong_share"),
            (FaultOutcome.RESET, "reset_share"),
        ]
        self._shares = [(outcome, float(setting[knob])) for outcome, knob in shares]
        # Separate generators, so that a knob of one does not change the draws of the other.
        self._service_draws = random.Random(f"service {setting['seed']}")  # noqa: S311  (a simulation)
        self._outcome_draws = random.Random(f"outcome {setting['seed']}")  # noqa: S311
        self._free_ns = [0] * int(
            setting["servers"]
        )  # a heap of the times at which servers become free; empty: no limit
        self._first_ns: int | None = None

    def plan(self, arrived_ns: int) -> PlannedResponse:
        """Plan the response to a request that arrives at `arrived_ns`; arrivals are in order."""
        if self._first_ns is None:
            self._first_ns = arrived_ns
        start_ns = max(arrived_ns, self._free_ns[0]) if self._free_ns else arrived_ns
        due_ns = self._after_stall(start_ns + self._draw_service_ns(), self._first_ns)
        if self._free_ns:
            heapq.heapreplace(self._free_ns, due_ns)
        return PlannedResponse(start_ns, due_ns, self._draw_outcome(due_ns - self._first_ns))

    def _draw_service_ns(self) -> int:
        if not self._exponential:
            return round(self._service_ns)
        return round(self._service_draws.expovariate(1.0) * self._service_ns)

    def _after_stall(self, due_ns: int, first_ns: int) -> int:
        if not self._stall_every_ns:
            return due_ns
        periods, into_ns = divmod(due_ns - first_ns, self._stall_every_ns)
        stalled = periods >= 1 and into_ns < self._stall_ns
        return due_ns - into_ns + self._stall_ns if stalled else due_ns

    def _draw_outcome(self, since_first_ns: int) -> FaultOutcome:
        if self._hang_after_ns and since_first_ns >= self._hang_after_ns:
            return FaultOutcome.HANG
        draw = self._outcome_draws.random()
        for outcome, share in self._shares:
            if draw < share:
                return outcome
            draw -= share
        return FaultOutcome.OK
