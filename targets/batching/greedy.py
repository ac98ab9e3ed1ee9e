"""`greedy`: an idle model takes all waiting rows at once. Under load, batches fill while the model is busy."""

from __future__ import annotations


class GreedyPolicy:
    """Never waits."""

    def due_ns(self, oldest_ns: int, rows: int) -> int:
        """The arrival of the oldest row: a batch is due at once."""
        del rows
        return oldest_ns

    def observe(self, rows: int, batch_ns: int) -> None:
        """Do nothing: the policy does not adapt."""
