"""Puts the preprocessing in front of a model as its first layers, so that the graph takes raw items."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

    from targets.preprocessing.pipeline import Pipeline


def with_preprocessing(model: keras.Model, pipeline: Pipeline) -> keras.Model:
    """`model` behind the pipeline's steps. With several views its output is the mean over them."""
    import keras
    from keras import ops

    raw_shape = [None if size < 0 else size for size in pipeline.raw.shape]
    raw = keras.Input(
        raw_shape, dtype=pipeline.raw.dtype.replace("<", "").replace("u1", "uint8").replace("i2", "int16")
    )
    values = raw
    for step in pipeline.steps:
        values = step.graph(values) if step.graph else step.apply(ops, values)
    values = ops.cast(values, model.inputs[0].dtype)
    if not pipeline.ready.ragged:
        values = ops.reshape(values, (-1, *pipeline.ready.shape))
    outputs = [model(pipeline.views.apply(ops, values, number)) for number in range(pipeline.views.count)]
    mean = outputs[0] if len(outputs) == 1 else ops.mean(ops.stack(outputs, axis=1), axis=1)
    return keras.Model(raw, mean, name=f"{model.name}_raw")
