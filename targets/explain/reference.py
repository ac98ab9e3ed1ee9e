"""Computes the expected attributions of a bank's payloads step by step in eager TensorFlow.

The method is independent of the servers': one pass over all payloads per step or hidden part, no tracing, sums in
float64. Runs as a separate process (`python -m targets.explain.reference MODEL.keras BANK.npz METHOD STEPS OUT.npz`),
because TensorFlow's thread counts cannot be changed after it has computed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.wire.payload_bank import Bank
from targets.engines.quiet_import import import_tensorflow
from targets.explain import GRADIENTS, OUTPUT
from targets.explain.occlusion import part_of_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_PAYLOADS = 512
RELATIVE_TOLERANCE = 0.02
SMALLEST_TOLERANCE = 1e-4


def reference_bank(model: Any, bank: Bank, method: str, steps: int) -> Bank:
    """A bank of the first payloads of `bank` that expects their attributions instead of predictions."""
    inputs = np.asarray(bank.inputs[:MAX_PAYLOADS])  # explained models take items of one shape
    expected = (integrated_gradients if method == GRADIENTS else occlusion)(model, inputs, steps)
    tolerance = max(SMALLEST_TOLERANCE, RELATIVE_TOLERANCE * float(np.abs(expected).max()))
    meta = msgspec.structs.replace(
        bank.meta, verb="explain", output_name=OUTPUT, output_shape=bank.meta.input_shape, tolerance=tolerance
    )
    return replace(bank, meta=meta, inputs=inputs, labels=bank.labels[:MAX_PAYLOADS], expected=expected)


def integrated_gradients(model: Any, inputs: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """Attributions (n, *input_shape) of `inputs`."""
    import tensorflow as tf

    chosen = _predicted(model, inputs)
    total = np.zeros(inputs.shape, np.float64)
    for step in range(steps):
        point = tf.constant(inputs * np.float32((step + 0.5) / steps))
        with tf.GradientTape() as tape:
            tape.watch(point)
            of_class = tf.gather(_flat(model(point, training=False)), chosen, axis=1, batch_dims=1)
        total += tape.gradient(of_class, point).numpy()
    return (inputs * total / steps).astype(np.float32)


def occlusion(model: Any, inputs: NDArray[np.float32], parts: int) -> NDArray[np.float32]:
    """Attributions (n, *input_shape) of `inputs`."""
    chosen = _predicted(model, inputs)
    rows = np.arange(len(inputs))
    whole = _flat(model(inputs, training=False)).numpy()[rows, chosen]
    part_of = part_of_value(inputs[0].size, parts)
    losses = np.zeros((len(inputs), inputs[0].size), np.float32)
    for part in range(int(part_of[-1]) + 1):
        without = inputs.reshape(len(inputs), -1).copy()
        without[:, part_of == part] = 0
        left = _flat(model(without.reshape(inputs.shape), training=False)).numpy()[rows, chosen]
        losses[:, part_of == part] = (whole - left)[:, None]
    return losses.reshape(inputs.shape)


def _predicted(model: Any, inputs: NDArray[np.float32]) -> NDArray[np.int64]:
    chosen: NDArray[np.int64] = _flat(model(inputs, training=False)).numpy().argmax(axis=1)
    return chosen


def _flat(outputs: Any) -> Any:
    import tensorflow as tf

    return tf.reshape(outputs, (len(outputs), -1))


if __name__ == "__main__":
    _model_file, _bank_file, _method, _steps, _out = sys.argv[1:]
    import_tensorflow()
    import keras

    _model = keras.models.load_model(_model_file, compile=False)
    reference_bank(_model, Bank.load(Path(_bank_file)), _method, int(_steps)).save(Path(_out))
