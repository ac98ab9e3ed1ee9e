"""`deep-mlp`: four equal layers take nearly all of the time, so that it can be cut into even stages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.data.digits import DIGITS
from targets.models.recipe import Recipe
from targets.preprocessing.image import DIGITS_PIPELINE

if TYPE_CHECKING:
    import keras


def build() -> keras.Model:
    """Build Dense 1600 five times, softmax 10; 10 366 410 parameters (41 MB of float32)."""
    import keras
    from keras.layers import Dense

    hidden = [Dense(1600, activation="relu") for _ in range(5)]
    return keras.Sequential([keras.Input((64,)), *hidden, Dense(10, activation="softmax")], name="deep_mlp")


RECIPE = Recipe(
    name="deep-mlp",
    doc="Dense 1600 x 5 - 10 on handwritten digits (10.4 M parameters): even stages",
    field="image",
    data=DIGITS,
    pipeline=DIGITS_PIPELINE,
    build=build,
    epochs=6,
    batch_size=128,
    learning_rate=3e-4,
)
