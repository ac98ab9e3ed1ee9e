"""`fixed`: a batch waits up to `batch_wait_ms` from the arrival of its oldest row."""

from __future__ import annotations

from harness.clock import NS_PER_MS


class FixedPolicy:
    """A fixed maximum queue delay; 0 is greedy."""

    def __init__(self, batch_wait_ms: float) -> None:
        self._wait_ns = round(batch_wait_ms * NS_PER_MS)

    def due_ns(self, oldest_ns: int, rows: int) -> int:
        """`batch_wait_ms` after the arrival of the oldest row."""
        del rows
        return oldest_ns + self._wait_ns

    def observe(self, rows: int, batch_ns: int) -> None:
        """Do nothing: the policy does not adapt."""
