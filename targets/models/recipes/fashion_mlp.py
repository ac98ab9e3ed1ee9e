"""`fashion-mlp`: a network on photographs of clothes at a quarter of their pixels; resizing costs more than it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.data.fashion import FASHION
from targets.models.recipe import Recipe
from targets.preprocessing.image import image_pipeline

if TYPE_CHECKING:
    import keras


def build() -> keras.Model:
    """Build Flatten 14x14, Dense 64, softmax 10; 13 258 parameters."""
    import keras
    from keras.layers import Dense, Dropout, Flatten

    return keras.Sequential(
        [
            keras.Input((14, 14)),
            Flatten(),
            Dense(64, activation="relu"),
            Dropout(0.2),
            Dense(10, activation="softmax"),
        ],
        name="fashion_mlp",
    )


RECIPE = Recipe(
    name="fashion-mlp",
    doc="Dense 64 on photographs of clothes, resized to 14x14 (13 k parameters)",
    field="image",
    data=FASHION,
    pipeline=image_pipeline(28, 255.0, to=14),
    build=build,
    epochs=12,
    batch_size=64,
)
