"""`speech-small` and `speech-large`: classify the spoken language by convolutions over log-mel spectra."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from targets.data.voices import VOICES
from targets.models.masked_layers import halved, masked_mean, presence
from targets.models.recipe import Recipe
from targets.preprocessing.sound import BANDS, SOUND_PIPELINE

if TYPE_CHECKING:
    import keras


def build(channels: int, name: str) -> keras.Model:
    """Build three convolutions of `channels`, each halving the time axis; a mean that leaves out padding; softmax 5."""
    import keras
    from keras.layers import Conv1D, Dense, Dropout

    inputs = keras.Input((None, BANDS))
    values, present = inputs, presence(inputs)
    for _ in range(3):
        values = Conv1D(channels, 5, padding="same", activation="relu")(values) * present
        values, present = halved(values, present)
    mean = Dropout(0.3)(masked_mean(values, present))
    return keras.Model(inputs, Dense(len(VOICES.classes), activation="softmax")(mean), name=name)


SMALL = Recipe(
    name="speech-small",
    doc="three convolutions of 24 channels over log-mel spectra (11 k parameters)",
    field="speech",
    data=VOICES,
    pipeline=SOUND_PIPELINE,
    build=partial(build, 24, "speech_small"),
    epochs=10,
    batch_size=32,
)
LARGE = Recipe(
    name="speech-large",
    doc="three convolutions of 128 channels over log-mel spectra (190 k parameters)",
    field="speech",
    data=VOICES,
    pipeline=SOUND_PIPELINE,
    build=partial(build, 128, "speech_large"),
    epochs=6,
    batch_size=32,
)
