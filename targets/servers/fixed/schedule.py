"""When a `fixed` server answers: a pure function of arrivals, settings and seeds.

Departures of a first-in-first-out queue: start = max(arrival, earliest free server), end = start + service.
During a stall nothing leaves: what would end in it ends with it.
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


class Fate(StrEnum):
    """How a request is to end."""

    OK = "ok"
    WRONG = "wrong"
    ERROR = "error"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class Planned:
    """One request's truth, in nanoseconds on the clock of its arrival; a hang has the instant it would have left."""

    start_ns: int
    due_ns: int
    fate: Fate


class FixedSchedule:
    """Plans each arrival in turn; the stalls and the hang count from the first one."""

    def __init__(self, setting: Mapping[str, Value]) -> None:
        self._service_ns = float(setting["delay_ms"]) * NS_PER_MS
        self._exponential = setting["service"] == "exponential"
        self._stall_every_ns = round(float(setting["stall_every_s"]) * NS_PER_S)
        self._stall_ns = round(float(setting["stall_s"]) * NS_PER_S)
        self._hang_after_ns = round(float(setting["hang_after_s"]) * NS_PER_S)
        shares = [(Fate.ERROR, "error_share"), (Fate.WRONG, "wrong_share"), (Fate.RESET, "reset_share")]
        self._shares = [(fate, float(setting[knob])) for fate, knob in shares]
        # A seed for each random dimension, so that turning one knob leaves the other's draws alone.
        self._service_draws = random.Random(f"service {setting['seed']}")  # noqa: S311  (a simulation)
        self._fate_draws = random.Random(f"fate {setting['seed']}")  # noqa: S311
        self._free_ns = [0] * int(setting["servers"])  # a heap: when each server is free; empty means unlimited
        self._first_ns: int | None = None

    def plan(self, arrived_ns: int) -> Planned:
        """The truth for a request that arrives now; arrivals come in order."""
        if self._first_ns is None:
            self._first_ns = arrived_ns
        start_ns = max(arrived_ns, self._free_ns[0]) if self._free_ns else arrived_ns
        due_ns = self._after_stall(start_ns + self._draw_service_ns(), self._first_ns)
        if self._free_ns:
            heapq.heapreplace(self._free_ns, due_ns)
        return Planned(start_ns, due_ns, self._draw_fate(due_ns - self._first_ns))

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

    def _draw_fate(self, since_first_ns: int) -> Fate:
        if self._hang_after_ns and since_first_ns >= self._hang_after_ns:
            return Fate.HANG
        draw = self._fate_draws.random()
        for fate, share in self._shares:
            if draw < share:
                return fate
            draw -= share
        return Fate.OK
