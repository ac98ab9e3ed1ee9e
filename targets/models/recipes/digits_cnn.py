"""`digits-cnn`: a small convolutional network on the digits; the model call has a noticeable cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.data.digits import DIGITS
from targets.models.recipe import Recipe
from targets.preprocessing.image import DIGITS_PIPELINE

if TYPE_CHECKING:
    import keras


def build() -> keras.Model:
    """Build two 3x3 convolutions on 8x8 pixels, pooling, Dense 64, softmax 10; 85 066 parameters.

    The input is the flat vector of 64, as for the other models of the digits.
    """
    import keras
    from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D, Reshape

    return keras.Sequential(
        [
            keras.Input((64,)),
            Reshape((8, 8, 1)),
            Conv2D(32, 3, padding="same", activation="relu"),
            Conv2D(64, 3, padding="same", activation="relu"),
            MaxPooling2D(),
            Dropout(0.25),
            Flatten(),
            Dense(64, activation="relu"),
            Dropout(0.5),
            Dense(10, activation="softmax"),
        ],
        name="digits_cnn",
    )


RECIPE = Recipe(
    name="digits-cnn",
    doc="two 3x3 convolutions and Dense 64 on handwritten digits (85 k parameters)",
    field="image",
    data=DIGITS,
    pipeline=DIGITS_PIPELINE,
    build=build,
    epochs=10,
    batch_size=32,
)
