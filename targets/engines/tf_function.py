"""`tf-function`: the model traced once into a concrete TensorFlow function for any batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.engines.quiet import import_tensorflow

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import Engine, EngineOptions


def open_engine(path: Path, options: EngineOptions) -> Engine:
    """Load a `.keras` file."""
    import_tensorflow()
    import keras

    limit_threads(options)
    return TfFunctionEngine(keras.models.load_model(path, compile=False), options.input_shape)


def open_xla(path: Path, options: EngineOptions) -> Engine:
    """Load a `.keras` file, to be compiled by XLA."""
    import_tensorflow()
    import keras

    limit_threads(options)
    return TfFunctionEngine(keras.models.load_model(path, compile=False), options.input_shape, xla=True)


def limit_threads(options: EngineOptions) -> None:
    """Set TensorFlow's thread counts: for the whole process, and only before its first use."""
    import tensorflow as tf

    threading = tf.config.threading
    threading.set_intra_op_parallelism_threads(options.threads(options.intra_op_threads))
    threading.set_inter_op_parallelism_threads(options.threads(options.inter_op_threads))


class TfFunctionEngine:
    """A concrete function: a plain `tf.function` would look up its trace again at every call."""

    def __init__(self, model: object, input_shape: tuple[int, ...], *, xla: bool = False) -> None:
        import tensorflow as tf

        signature = [tf.TensorSpec((None, *input_shape), tf.float32)]
        call = lambda inputs: model(inputs, training=False)  # type: ignore[operator]  # noqa: E731  (to be traced)
        traced = tf.function(call, input_signature=signature, jit_compile=xla or None)
        self._call = traced.get_concrete_function()
        self._tensor = tf.constant
        self._model = model  # the function holds its variables weakly

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answers (n, *output_shape); thread-safe."""
        answers: NDArray[np.float32] = self._call(self._tensor(inputs)).numpy()
        return answers
