"""`greedy`: take what is there at once. Under load the batch fills by itself while the model is busy."""

from __future__ import annotations


class GreedyPolicy:
    """Never waits."""

    def due_ns(self, oldest_ns: int, rows: int) -> int:
        """The arrival of the oldest row: it was due when it came."""
        del rows
        return oldest_ns

    def observe(self, rows: int, compute_ns: int) -> None:
        """Nothing to learn."""
