"""`text-small` and `text-large`: is a sentence's opinion negative or positive, by its words, in whatever order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.data.opinions import OPINIONS
from targets.models.masked import masked_mean, presence
from targets.models.recipe import Recipe
from targets.preprocessing.text import TEXT_PIPELINE, WORDS

if TYPE_CHECKING:
    import keras


def build_small() -> keras.Model:
    """The mean of the words' 16 numbers each, softmax 2; 131 106 parameters."""
    import keras
    from keras.layers import Dense, Dropout, Embedding

    words = keras.Input((None,), dtype="int32")
    mean = Dropout(0.3)(masked_mean(Embedding(WORDS, 16)(words), presence(words)))
    return keras.Model(words, Dense(2, activation="softmax")(mean), name="text_small")


def build_large() -> keras.Model:
    """Two layers on each word's 64 numbers, a learned weight per word, softmax 2; 532 995 parameters."""
    import keras
    from keras import ops
    from keras.layers import Dense, Dropout, Embedding

    words = keras.Input((None,), dtype="int32")
    present = presence(words)
    values = Dense(128, activation="relu")(Dropout(0.4)(Embedding(WORDS, 64)(words)))
    # Bounded scores need no subtraction of the largest, which is none where a text has no word.
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
