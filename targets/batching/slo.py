"""`slo`: wait as long as the latency objective allows, given what the model is known to take.

Dispatch when slo - age of the oldest - s(b+1) <= guard, with s(b) fitted to the last 50 batches. It trades
latency that nobody asked for against fewer, larger batches: less compute time, the same capacity.
"""

from __future__ import annotations

from harness.clock import NS_PER_MS
from targets.batching.curve import ServiceCurve

GUARD_SHARE = 0.1  # of the objective, kept for what the curve does not know


class SloPolicy:
    """`slo_ms` bounds the time from a row's admission to its batch's end."""

    def __init__(self, slo_ms: float) -> None:
        self._allowed_ns = round(slo_ms * NS_PER_MS * (1 - GUARD_SHARE))
        self._curve = ServiceCurve()

    def due_ns(self, oldest_ns: int, rows: int) -> int:
        """The last instant at which one row more would still be answered in time; never before `oldest_ns`."""
        return oldest_ns + max(0, self._allowed_ns - round(self._curve.predict_ns(rows + 1)))

    def observe(self, rows: int, compute_ns: int) -> None:
        """Add one batch to the curve."""
        self._curve.observe(rows, compute_ns)
