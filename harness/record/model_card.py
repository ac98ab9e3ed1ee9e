"""The model card: what is known of a served model."""

from __future__ import annotations

import msgspec


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """One model as its target describes it. A figure that the target does not give is None."""

    name: str
    parameters: int | None = None
    data: str = ""
    train_count: int | None = None
    test_count: int | None = None
    test_loss: float | None = None
    test_accuracy: float | None = None
    trained_seconds: float | None = None
    layers: tuple[str, ...] = ()
    engine: str = ""
    precision: str = ""
    served_accuracy: float | None = None  # of the held-out examples, with this engine and precision
    hash: str = ""
    piece_ms: tuple[float, ...] = ()  # of its smallest parts, one call of 16 rows; empty where it was never cut
