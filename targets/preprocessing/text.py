"""Preprocesses text: lower-case letters only, words to numbers by a hash; views drop some of the words.

A word's number is its hash (the hashing trick, Weinberger et al. 2009), so there is no vocabulary and no unknown word.
A text without letters has no words; the model's prediction for an empty input applies to it.
"""

from __future__ import annotations

from typing import Any

from targets.data.opinions import LONGEST
from targets.preprocessing.pipeline import Pipeline, Step, Views
from targets.preprocessing.tensor_spec import TensorSpec

SPACE, APOSTROPHE = 32, 39
LOWER = (97, 122)  # a..z
UPPER = (65, 90)
FACTOR, BUCKETS = 31, 8191  # (h * 31 + letter) mod 8191 fits in 32 bits
WORDS = BUCKETS + 1  # 0 is padding
LETTERS = 12  # the hash covers the last 12 letters of a word
MOST_VIEWS = 4


def _letters(xp: Any, batch: Any) -> Any:
    """Bytes in lower case; every other byte than a letter or an apostrophe becomes a space."""
    values = _whole(xp, batch)
    lower = xp.where(_within(xp, values, UPPER), values + 32, values)
    kept = xp.logical_or(_within(xp, lower, LOWER), xp.equal(lower, APOSTROPHE))
    return xp.where(kept, lower, SPACE)


def _words(xp: Any, batch: Any) -> Any:
    """The numbers of the words (n, words) in the order of the text, padded with 0."""
    ends = _word_ends(xp, batch)
    counts = (ends > 0).sum(axis=1)
    words = xp.zeros((len(ends), max(1, counts.max())), xp.int32)
    words[xp.arange(words.shape[1]) < counts[:, None]] = ends[ends > 0]
    return words


def _words_in_place(batch: Any) -> Any:
    """The same inside a model: each number is at the end of its word; the zeros between are padding to the model."""
    from keras import ops

    return _word_ends(ops, batch)


def _word_ends(xp: Any, batch: Any) -> Any:
    values = _whole(xp, batch)
    inside = _whole(xp, xp.greater(values, SPACE))
    values = values * inside
    number, alive = values, inside
    for back in range(1, LETTERS):
        alive = alive * _earlier(xp, inside, back)
        longer = (number * FACTOR + _earlier(xp, values, back)) % BUCKETS
        number = xp.where(xp.greater(alive, 0), longer, number)
    last = inside * (1 - xp.pad(inside[:, 1:], ((0, 0), (0, 1))))
    return (number + 1) * last


def _earlier(xp: Any, values: Any, back: int) -> Any:
    """values[t - back]; zero before the start."""
    return xp.pad(values, ((0, 0), (back, 0)))[:, :-back]


def _thin(xp: Any, batch: Any, number: int) -> Any:
    """View 0 has all words; view k drops every (k + 1)-th word."""
    if not number:
        return batch
    present = xp.greater(batch, 0)
    place = xp.cumsum(_whole(xp, present), axis=1)
    return xp.where(xp.equal(place % (number + 1), 0), 0, batch)


def _within(xp: Any, values: Any, ends: tuple[int, int]) -> Any:
    return xp.logical_and(xp.greater_equal(values, ends[0]), xp.less_equal(values, ends[1]))


def _whole(xp: Any, batch: Any) -> Any:
    """`batch` as int32: by `astype` for an array, by `cast` for a Keras tensor."""
    return xp.cast(batch, "int32") if hasattr(xp, "cast") else batch.astype("int32", copy=False)


TEXT_PIPELINE = Pipeline(
    raw=TensorSpec(datatype="UINT8", shape=(-1,), longest=LONGEST, pad=0),
    ready=TensorSpec(datatype="INT32", shape=(-1,), longest=LONGEST // 2, pad=0),
    steps=(
        Step(name="clean", doc="lower case, letters only", apply=_letters),
        Step(name="transform", doc="words to numbers", apply=_words, graph=_words_in_place),
    ),
    views=Views(doc="the text, and the text without every second, third or fourth word", apply=_thin, most=MOST_VIEWS),
)
