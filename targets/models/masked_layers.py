"""Layers for items of different lengths. Padding (zeros) changes no output; a mean over no step is zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras


def presence(inputs: keras.KerasTensor) -> keras.KerasTensor:
    """A mask (n, time, 1) of `inputs` (n, time, ...): 1.0 where a time step is not all zeros."""
    from keras import ops

    marks = ops.not_equal(inputs, 0)
    marks = ops.any(marks, axis=-1, keepdims=True) if len(inputs.shape) == 3 else ops.expand_dims(marks, -1)
    return ops.cast(marks, "float32")


def masked_mean(values: keras.KerasTensor, present: keras.KerasTensor) -> keras.KerasTensor:
    """The mean over time (n, channels) of `values` (n, time, channels) where `present`; zeros where no step is."""
    from keras import ops

    count = ops.maximum(ops.sum(present, axis=1), 1.0)
    return ops.sum(values * present, axis=1) / count


def halved(values: keras.KerasTensor, present: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Both arguments with half the time steps: the maximum of each two neighbours."""
    from keras.layers import MaxPooling1D

    return MaxPooling1D(2)(values), MaxPooling1D(2)(present)
