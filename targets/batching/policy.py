"""What a batching policy decides: until when an incomplete batch may wait for company."""

from __future__ import annotations

from typing import Protocol


class BatchPolicy(Protocol):
    """Asked only while the model is idle and the batch is not full; a full batch never waits."""

    def due_ns(self, oldest_ns: int, rows: int) -> int:
        """The instant at which a batch of `rows` rows, the oldest of which came at `oldest_ns`, must go."""

    def observe(self, rows: int, compute_ns: int) -> None:
        """Learn that the model took `compute_ns` for a batch of `rows` rows."""
