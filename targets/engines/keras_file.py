"""Loads a Keras file at a precision, on whichever backend Keras runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.engines.precision import FLOAT32, INT8

if TYPE_CHECKING:
    from pathlib import Path

    import keras


def load_model(path: Path, precision: str = FLOAT32) -> keras.Model:
    """Load a `.keras` file, uncompiled.

    float16 and bfloat16 apply to weights and arithmetic of every layer. int8 applies to weights and inputs of the
    layers that Keras can quantise (`Model.quantize`: Dense, not convolutions); the others stay float32.
    """
    import keras

    model = keras.models.load_model(path, compile=False)
    if precision == FLOAT32:
        return model
    if precision == INT8:
        return _quantised(model)
    return _recast(model, precision)


def _quantised(model: keras.Model) -> keras.Model:
    import warnings

    with warnings.catch_warnings():  # Keras warns for each layer that cannot be quantised
        warnings.simplefilter("ignore")
        model.quantize("int8")
    return model


def _recast(model: keras.Model, precision: str) -> keras.Model:
    import keras

    def recast(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config({**layer.get_config(), "dtype": precision})

    recast_model = keras.models.clone_model(model, clone_function=recast)
    recast_model.set_weights(model.get_weights())
    return recast_model
