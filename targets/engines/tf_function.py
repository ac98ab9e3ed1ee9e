"""`concrete-function`, `tf-function` and `xla` trace the model into one TensorFlow function for any batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from targets.engines.keras_file import load_model
from targets.engines.quiet_import import import_tensorflow

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import EngineOptions, InferenceEngine


def open_concrete(path: Path, options: EngineOptions) -> InferenceEngine:
    """Open the traced function itself, which needs no look-up of its trace at each call."""
    model = load(path, options)
    return TfFunctionEngine(model, _traced(model, options).get_concrete_function())


def open_function(path: Path, options: EngineOptions) -> InferenceEngine:
    """Open the function as `@tf.function` makes it: each call looks up the trace by the types of the arguments."""
    model = load(path, options)
    return TfFunctionEngine(model, _traced(model, options))


def open_xla(path: Path, options: EngineOptions) -> InferenceEngine:
    """Open the concrete function compiled by XLA."""
    model = load(path, options)
    return TfFunctionEngine(model, _traced(model, options, xla=True).get_concrete_function())


def load(path: Path, options: EngineOptions) -> keras.Model:
    """Load the model on TensorFlow. The thread counts apply to the process and are fixed by TensorFlow's first use."""
    import_tensorflow()
    import tensorflow as tf

    threading = tf.config.threading
    threading.set_intra_op_parallelism_threads(options.threads(options.intra_op_threads))
    threading.set_inter_op_parallelism_threads(options.threads(options.inter_op_threads))
    return load_model(path, options.precision)


def _traced(model: keras.Model, options: EngineOptions, *, xla: bool = False) -> Any:
    import numpy as np
    import tensorflow as tf

    def call(inputs: tf.Tensor) -> tf.Tensor:
        return tf.cast(model(inputs, training=False), tf.float32)

    shape = (None, *(None if size < 0 else size for size in options.input_shape))
    signature = [tf.TensorSpec(shape, tf.as_dtype(np.dtype(options.input_dtype)))]
    return tf.function(call, input_signature=signature, jit_compile=xla or None)


class TfFunctionEngine:
    """A TensorFlow function of one tensor."""

    def __init__(self, model: keras.Model, call: Any) -> None:
        import tensorflow as tf

        self._call = call
        self._tensor = tf.constant
        self._model = model  # the function holds its variables weakly

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape)."""
        outputs: NDArray[np.float32] = self._call(self._tensor(inputs)).numpy()
        return outputs
