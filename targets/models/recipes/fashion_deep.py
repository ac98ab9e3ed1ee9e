"""`fashion-deep`: six convolutions on photographs of clothes; computing costs more than transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.data.fashion import FASHION
from targets.models.recipe import Recipe
from targets.preprocessing.image import image_pipeline

if TYPE_CHECKING:
    import keras


def build() -> keras.Model:
    """Build three blocks of two normalised 3x3 convolutions and pooling, softmax 10; 299 306 parameters."""
    import keras
    from keras.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D, ReLU, Reshape

    layers = [keras.Input((28, 28)), Reshape((28, 28, 1))]
    for channels in (32, 64, 128):
        for _ in range(2):
            layers += [Conv2D(channels, 3, padding="same", use_bias=False), BatchNormalization(), ReLU()]
        layers.append(MaxPooling2D())
    layers += [Flatten(), Dropout(0.4), Dense(10, activation="softmax")]
    return keras.Sequential(layers, name="fashion_deep")


RECIPE = Recipe(
    name="fashion-deep",
    doc="six 3x3 convolutions on photographs of clothes, 28x28 (299 k parameters)",
    field="image",
    data=FASHION,
    pipeline=image_pipeline(28, 255.0),
    build=build,
    epochs=5,
    batch_size=64,
)
