"""Layers for items of different lengths: what is padding (zeros) changes no answer, and a mean over nothing is zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def presence(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """1.0 where a step (n, time, ...) is not all zeros, as (n, time, 1)."""
    from keras import ops

    marks = ops.not_equal(inputs, 0)
    marks = ops.any(marks, axis=-1, keepdims=True) if len(inputs.shape) == 3 else ops.expand_dims(marks, -1)
    return ops.cast(marks, "float32")


def masked_mean(values: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
    """Mean over time (n, channels) of (n, time, channels) where `present`; zeros where nothing is."""
    from keras import ops

    count = ops.maximum(ops.sum(present, axis=1), 1.0)
    return ops.sum(values * present, axis=1) / count


def halved(values: keras.KerasTensor, present: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Both with half the time steps, the larger of two neighbours each."""
    from keras.layers import MaxPooling1D

    return MaxPooling1D(2)(values), MaxPooling1D(2)(present)
