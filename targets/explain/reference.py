"""The right attributions of a bank's payloads, worked out step by step in eager TensorFlow.

Another way than the servers': one pass over all payloads per step or hidden part, nothing traced, sums in float64.
It runs in a process of its own (`python -m targets.explain.reference MODEL.keras BANK.npz METHOD STEPS OUT.npz`):
TensorFlow's thread counts cannot be set any more once it has computed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.wire.payload_bank import Bank
from targets.engines.quiet import import_tensorflow
from targets.explain import GRADIENTS, OUTPUT
from targets.explain.occlusion import part_of_value

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_PAYLOADS = 512
RELATIVE_TOLERANCE = 0.02
SMALLEST_TOLERANCE = 1e-4


def reference_bank(model: Any, bank: Bank, method: str, steps: int) -> Bank:
    """The first payloads of `bank` with their attributions in place of the answers."""
    inputs = np.asarray(bank.inputs[:MAX_PAYLOADS])  # explained models take items of one shape
    right = (integrated_gradients if method == GRADIENTS else occlusion)(model, inputs, steps)
    tolerance = max(SMALLEST_TOLERANCE, RELATIVE_TOLERANCE * float(np.abs(right).max()))
    meta = msgspec.structs.replace(
        bank.meta, verb="explain", output_name=OUTPUT, output_shape=bank.meta.input_shape, tolerance=tolerance
    )
    return replace(bank, meta=meta, inputs=inputs, labels=bank.labels[:MAX_PAYLOADS], expected=right)


def integrated_gradients(model: Any, inputs: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """Attributions (n, *input_shape)."""
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
    """Attributions (n, *input_shape)."""
    chosen = _predicted(model, inputs)
    rows = np.arange(len(inputs))
    whole = _flat(model(inputs, training=False)).numpy()[rows, chosen]
    part_of = part_of_value(inputs[0].size, parts)
    right = np.zeros((len(inputs), inputs[0].size), np.float32)
    for part in range(int(part_of[-1]) + 1):
        without = inputs.reshape(len(inputs), -1).copy()
        without[:, part_of == part] = 0
        left = _flat(model(without.reshape(inputs.shape), training=False)).numpy()[rows, chosen]
        right[:, part_of == part] = (whole - left)[:, None]
    return right.reshape(inputs.shape)


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
