"""A recipe: what a reference model is made of, before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from harness.plan.knobs import Setting
    from targets.data.source import DataSource
    from targets.preprocessing.pipeline import Pipeline


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One reference model: its data, the way from a raw item to its input, its layers, how it is trained.

    `build` returns the untrained, uncompiled model, which ends in a softmax over the data's classes; it imports Keras
    when called.
    """

    name: str
    doc: str
    field: str  # "image", "speech" or "text": models of one field are rivals in `sweep model`
    data: DataSource
    pipeline: Pipeline
    build: Callable[[], keras.Model]
    epochs: int
    batch_size: int
    learning_rate: float = 1e-3
    seed: int = 7

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of one ready item; the first axis is -1 where items differ in length."""
        return self.pipeline.ready.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """One score per class."""
        return (len(self.data.classes),)

    @property
    def training(self) -> Setting:
        """Its own values of the training knobs."""
        return {"learning_rate": self.learning_rate, "epochs": self.epochs, "train_batch_size": self.batch_size}
