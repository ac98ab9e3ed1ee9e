"""`slo`: a batch waits as long as the latency objective and the predicted service time allow.

A batch starts when slo - age of the oldest row - s(b+1) <= guard, with s(b) fitted to the last 50 batches. Within the
objective, latency is traded for fewer and larger batches: less compute time at the same capacity.
"""

from __future__ import annotations

from harness.clock import NS_PER_MS
from targets.batching.curve import ServiceCurve

GUARD_SHARE = 0.1  # of the objective, kept for the error of the prediction


class SloPolicy:
    """`slo_ms` bounds the time from the admission of a row to the end of its batch."""

    def __init__(self, slo_ms: float) -> None:
        self._allowed_ns = round(slo_ms * NS_PER_MS * (1 - GUARD_SHARE))
        self._curve = ServiceCurve()

    def due_ns(self, oldest_ns: int, rows: int) -> int:
        """The last instant at which a batch of one more row would still end in time; never before `oldest_ns`."""
        return oldest_ns + max(0, self._allowed_ns - round(self._curve.predict_ns(rows + 1)))

    def observe(self, rows: int, batch_ns: int) -> None:
        """Add one batch to the curve."""
        self._curve.observe(rows, batch_ns)
