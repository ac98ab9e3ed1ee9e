"""`digits-mlp`: two hidden layers with dropout. A model call costs less than its HTTP request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.data.digits import DIGITS
from targets.models.recipe import Recipe
from targets.preprocessing.image import DIGITS_PIPELINE

if TYPE_CHECKING:
    import keras


def build() -> keras.Model:
    """Build Dense 64, Dense 32, softmax 10; 6 570 parameters."""
    import keras
    from keras.layers import Dense, Dropout

    return keras.Sequential(
        [
            keras.Input((64,)),
            Dense(64, activation="relu"),
            Dropout(0.5),
            Dense(32, activation="relu"),
            Dropout(0.5),
            Dense(10, activation="softmax"),
        ],
        name="digits_mlp",
    )


RECIPE = Recipe(
    name="digits-mlp",
    doc="Dense 64 - 32 - 10 with dropout on handwritten digits (6.6 k parameters)",
    field="image",
    data=DIGITS,
    pipeline=DIGITS_PIPELINE,
    build=build,
    epochs=50,
    batch_size=32,
)
