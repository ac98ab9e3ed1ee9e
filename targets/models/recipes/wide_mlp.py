"""`wide-mlp`: about ten million parameters; compute and memory bandwidth decide the time of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.data.digits import DIGITS
from targets.models.recipe import Recipe
from targets.preprocessing.image import DIGITS_PIPELINE

if TYPE_CHECKING:
    import keras


def build() -> keras.Model:
    """Build Dense 3200, Dense 3200, softmax 10; 10 483 210 parameters (42 MB of float32)."""
    import keras
    from keras.layers import Dense, Dropout

    return keras.Sequential(
        [
            keras.Input((64,)),
            Dense(3200, activation="relu"),
            Dropout(0.5),
            Dense(3200, activation="relu"),
            Dropout(0.5),
            Dense(10, activation="softmax"),
        ],
        name="wide_mlp",
    )


RECIPE = Recipe(
    name="wide-mlp",
    doc="Dense 3200 - 3200 - 10 on handwritten digits (10.5 M parameters)",
    field="image",
    data=DIGITS,
    pipeline=DIGITS_PIPELINE,
    build=build,
    epochs=4,
    batch_size=128,
)
