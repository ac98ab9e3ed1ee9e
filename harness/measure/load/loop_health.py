"""Monitors whether the load process keeps up: its CPU time, the lateness of its event loop, garbage collections."""

from __future__ import annotations

import gc
import math
from array import array
from typing import Any

from harness.clock import cpu_ns, monotonic_ns
from harness.record.load_report import LoopHealth

TICK_NS = 10_000_000
STALL_NS = 20_000_000  # a loop that is that late delays all requests that are measured meanwhile
MOST_STALLS = 1_000
MAX_LAGS = 360_000  # an hour of ticks; then the oldest are overwritten


class LoopMonitor:
    """Measures from `begin` to `end`."""

    def __init__(self) -> None:
        self._lags = array("q")
        self._next_lag = 0
        self._max_lag_ns = 0
        self._stalls_ns: list[tuple[int, int]] = []
        self._begun_ns = self._begun_cpu_ns = 0
        self._frozen: LoopHealth | None = None
        self._gc_started_ns = 0
        self._gc_pause_ns = 0
        self._gc_collections = 0

    def watch_gc(self) -> None:
        """Begin to measure garbage collections."""
        gc.callbacks.append(self._on_gc)

    def unwatch_gc(self) -> None:
        """Stop measuring garbage collections."""
        if self._on_gc in gc.callbacks:
            gc.callbacks.remove(self._on_gc)

    def begin(self) -> None:
        """Start again from zero: the measure phase begins."""
        self._lags = array("q")
        self._stalls_ns = []
        self._next_lag = self._max_lag_ns = 0
        self._gc_pause_ns = self._gc_collections = 0
        self._begun_ns, self._begun_cpu_ns = monotonic_ns(), cpu_ns()
        self._frozen = None

    def tick(self, late_ns: int) -> None:
        """Record that a tick of the loop, due every `TICK_NS`, was handled `late_ns` late."""
        self._max_lag_ns = max(self._max_lag_ns, late_ns)
        if late_ns > STALL_NS and len(self._stalls_ns) < MOST_STALLS:
            now_ns = monotonic_ns()
            self._stalls_ns.append((now_ns - late_ns, now_ns))
        if len(self._lags) < MAX_LAGS:
            self._lags.append(late_ns)
        else:
            self._lags[self._next_lag] = late_ns
            self._next_lag = (self._next_lag + 1) % MAX_LAGS

    def end(self) -> None:
        """Freeze the figures: the measure phase is over."""
        if self._begun_ns and self._frozen is None:
            self._frozen = self.report()

    def report(self) -> LoopHealth | None:
        """The figures so far; None before `begin`."""
        if self._frozen is not None or not self._begun_ns:
            return self._frozen
        lags = sorted(self._lags)
        return LoopHealth(
            cpu_ns=cpu_ns() - self._begun_cpu_ns,
            wall_ns=monotonic_ns() - self._begun_ns,
            loop_lag_p50_ns=_nearest_rank(lags, 0.5),
            loop_lag_p99_ns=_nearest_rank(lags, 0.99),
            loop_lag_max_ns=self._max_lag_ns if lags else None,
            gc_pause_ns=self._gc_pause_ns,
            gc_collections=self._gc_collections,
            stalls_ns=tuple(self._stalls_ns),
        )

    def _on_gc(self, phase: str, info: dict[str, Any]) -> None:
        del info
        if phase == "start":
            self._gc_started_ns = monotonic_ns()
        else:
            self._gc_pause_ns += monotonic_ns() - self._gc_started_ns
            self._gc_collections += 1


def _nearest_rank(ascending: list[int], p: float) -> int | None:
    return ascending[math.ceil(len(ascending) * p) - 1] if ascending else None
