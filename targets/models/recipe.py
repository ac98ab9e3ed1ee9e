"""A recipe: what a reference model is made of, before anything heavy is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One reference model on the digits: 64 inputs in 0..1, 10 classes.

    `build` returns the untrained, uncompiled model; it imports Keras when called.
    """

    name: str
    doc: str
    build: Callable[[], keras.Model]
    epochs: int
    batch_size: int
    learning_rate: float = 1e-3
    seed: int = 7
    input_shape: tuple[int, ...] = (64,)
    output_shape: tuple[int, ...] = (10,)
