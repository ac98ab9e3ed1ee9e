"""The recipe of a reference model. Importing this imports no deep-learning library."""

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
    """One reference model: its data, its preprocessing, its layers, and its training.

    `build` returns the untrained, uncompiled model, which ends in a softmax over the data's classes. It imports Keras
    when it is called.
    """

    name: str
    doc: str
    field: str  # "image", "speech" or "text": `sweep model` compares models of one field
    data: DataSource
    pipeline: Pipeline
    build: Callable[[], keras.Model]
    epochs: int
    batch_size: int
    learning_rate: float = 1e-3
    seed: int = 7

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one preprocessed item; the first axis is -1 where items differ in length."""
        return self.pipeline.ready.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of one output: a probability per class."""
        return (len(self.data.classes),)

    @property
    def training(self) -> Setting:
        """The recipe's values of the training knobs."""
        return {"learning_rate": self.learning_rate, "epochs": self.epochs, "train_batch_size": self.batch_size}
