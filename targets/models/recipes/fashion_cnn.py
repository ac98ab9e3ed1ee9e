"""`fashion-cnn`: two convolutions on photographs of clothes at full resolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.data.fashion import FASHION
from targets.models.recipe import Recipe
from targets.preprocessing.image import image_pipeline

if TYPE_CHECKING:
    import keras


def build() -> keras.Model:
    """Build two 3x3 convolutions, each with pooling, Dense 64, softmax 10; 220 234 parameters."""
    import keras
    from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D, Reshape

    return keras.Sequential(
        [
            keras.Input((28, 28)),
            Reshape((28, 28, 1)),
            Conv2D(32, 3, padding="same", activation="relu"),
            MaxPooling2D(),
            Conv2D(64, 3, padding="same", activation="relu"),
            MaxPooling2D(),
            Flatten(),
            Dense(64, activation="relu"),
            Dropout(0.4),
            Dense(10, activation="softmax"),
        ],
        name="fashion_cnn",
    )


RECIPE = Recipe(
    name="fashion-cnn",
    doc="two 3x3 convolutions on photographs of clothes, 28x28 (220 k parameters)",
    field="image",
    data=FASHION,
    pipeline=image_pipeline(28, 255.0),
    build=build,
    epochs=5,
    batch_size=64,
)
