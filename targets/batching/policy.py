"""The interface of batching policies, which decide until when an incomplete batch waits for more rows."""

from __future__ import annotations

from typing import Protocol


class BatchPolicy(Protocol):
    """Used only while the model is idle and the batch is not full; a full batch never waits."""

    def due_ns(self, oldest_ns: int, rows: int) -> int:
        """The instant at which a batch of `rows` rows, the oldest of which arrived at `oldest_ns`, must start."""

    def observe(self, rows: int, batch_ns: int) -> None:
        """Record that a batch of `rows` rows took `batch_ns` from leaving the queue to its end."""
