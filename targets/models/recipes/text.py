"""`text-small` and `text-large`: classify a sentence as negative or positive by its words, whatever their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.data.opinions import OPINIONS
from targets.models.masked_layers import masked_mean, presence
from targets.models.recipe import Recipe
from targets.preprocessing.text import TEXT_PIPELINE, WORDS

if TYPE_CHECKING:
    import keras


def build_small() -> keras.Model:
    """Build the mean of word embeddings of 16, softmax 2; 131 106 parameters."""
    import keras
    from keras.layers import Dense, Dropout, Embedding

    words = keras.Input((None,), dtype="int32")
    mean = Dropout(0.3)(masked_mean(Embedding(WORDS, 16)(words), presence(words)))
    return keras.Model(words, Dense(2, activation="softmax")(mean), name="text_small")


def build_large() -> keras.Model:
    """Build two layers on word embeddings of 64, a mean with learned weights, softmax 2; 532 995 parameters."""
    import keras
    from keras import ops
    from keras.layers import Dense, Dropout, Embedding

    words = keras.Input((None,), dtype="int32")
    present = presence(words)
    values = Dense(128, activation="relu")(Dropout(0.4)(Embedding(WORDS, 64)(words)))
    # Scores bounded by tanh need no subtraction of the maximum, which does not exist for a text without words.
    weights = ops.exp(Dense(1, activation="tanh")(values)) * present
    total = ops.maximum(ops.sum(weights, axis=1), 1e-6)
    mean = Dropout(0.4)(ops.sum(values * weights, axis=1) / total)
    return keras.Model(words, Dense(2, activation="softmax")(mean), name="text_large")


SMALL = Recipe(
    name="text-small",
    doc="mean of word embeddings of 16 (131 k parameters)",
    field="text",
    data=OPINIONS,
    pipeline=TEXT_PIPELINE,
    build=build_small,
    epochs=5,
    batch_size=64,
    learning_rate=3e-3,
)
LARGE = Recipe(
    name="text-large",
    doc="weighted mean over two layers per word, embeddings of 64 (533 k parameters)",
    field="text",
    data=OPINIONS,
    pipeline=TEXT_PIPELINE,
    build=build_large,
    epochs=4,
    batch_size=64,
)
