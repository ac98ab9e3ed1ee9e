"""Computes integrated gradients (Sundararajan, Taly and Yan, 2017) in one batched TensorFlow function.

    attribution_i = (x_i - x'_i) * mean over k of dF_c(x' + (k + 1/2) / steps * (x - x')) / dx_i

F_c is the output of the class c that the model predicts for x, and x' the baseline of zeros. The mean over midpoints
approximates the integral. The attributions of x sum to F_c(x) - F_c(x') (completeness), more exactly with more steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from targets.engines.quiet_import import import_tensorflow

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def open_gradients(path: Path, input_shape: tuple[int, ...], steps: int) -> IntegratedGradients:
    """Load a `.keras` file. Raises UserError where the model takes integers, which have no gradient."""
    import_tensorflow()
    import keras

    model = keras.models.load_model(path, compile=False)
    if any(not keras.backend.is_float_dtype(given.dtype) for given in model.inputs):
        raise UserError(
            f"explain_method=integrated-gradients: {path.parent.name} takes integers, which have no gradient; "
            "choose explain_method=occlusion"
        )
    return IntegratedGradients(model, input_shape, steps)


class IntegratedGradients:
    """A function traced for any number of rows; all steps of all rows are one model call."""

    def __init__(self, model: Any, input_shape: tuple[int, ...], steps: int) -> None:
        import numpy as np
        import tensorflow as tf

        self.steps = steps
        self._model = model  # the function holds its variables weakly
        self._tensor = tf.constant
        shape = [None, *(size if size > 0 else None for size in input_shape)]
        traced = tf.function(self._attributions, input_signature=[tf.TensorSpec(shape, tf.float32)])
        self._call = traced.get_concrete_function()
        self.explain(np.zeros((1, *(max(1, size) for size in input_shape)), np.float32))

    def explain(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Attributions (n, *input_shape) of inputs (n, *input_shape); thread-safe."""
        attributions: NDArray[np.float32] = self._call(self._tensor(inputs)).numpy()
        return attributions

    def _attributions(self, inputs: Any) -> Any:
        import tensorflow as tf

        count = tf.shape(inputs)[0]
        whole = self._model(inputs, training=False)
        chosen = tf.argmax(tf.reshape(whole, (count, -1)), axis=1, output_type=tf.int32)
        shares = (tf.range(self.steps, dtype=tf.float32) + 0.5) / self.steps
        shares = tf.reshape(shares, (1, self.steps, *(1 for _ in inputs.shape[1:])))
        path = tf.reshape(shares * inputs[:, None], tf.concat([[count * self.steps], tf.shape(inputs)[1:]], 0))
        with tf.GradientTape() as tape:
            tape.watch(path)
            outputs = tf.reshape(self._model(path, training=False), (count * self.steps, -1))
            of_class = tf.gather(outputs, tf.repeat(chosen, self.steps), axis=1, batch_dims=1)
        slopes = tf.reshape(tape.gradient(of_class, path), tf.concat([[count, self.steps], tf.shape(inputs)[1:]], 0))
        return inputs * tf.reduce_mean(slopes, axis=1)
