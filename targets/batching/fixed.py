"""`fixed`: wait up to `batch_wait_ms`, counted from the arrival of the oldest row."""

from __future__ import annotations

from harness.clock import NS_PER_MS


class FixedPolicy:
    """With `batch_wait_ms` 0 it is greedy."""

    def __init__(self, batch_wait_ms: float) -> None:
        self._wait_ns = round(batch_wait_ms * NS_PER_MS)

    def due_ns(self, oldest_ns: int, rows: int) -> int:
        """`batch_wait_ms` after the oldest row came."""
        del rows
        return oldest_ns + self._wait_ns

    def observe(self, rows: int, compute_ns: int) -> None:
        """Nothing to learn."""
