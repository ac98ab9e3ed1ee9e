"""`litert` converts the model to a LiteRT flat buffer and runs it in the LiteRT interpreter."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING

from harness.system.temporary_folder import temporary_folder
from targets.engines.exports import exported
from targets.engines.precision import FLOAT16, FLOAT32

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import EngineOptions, InferenceEngine

MAX_PREPARED_SIZES = 64


def export_litert(model: keras.Model, to: Path, precision: str) -> None:
    """Write `model` as a flat buffer with a free batch axis.

    float16 stores the weights in float16 and computes in float32. int8 applies to the weights, and to activations where
    a kernel supports both (dynamic range quantisation).
    """
    import tensorflow as tf

    with temporary_folder("litert") as folder:
        model.export(str(folder), verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
        if precision != FLOAT32:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if precision == FLOAT16:
            converter.target_spec.supported_types = [tf.float16]
        to.write_bytes(converter.convert())


def open_engine(path: Path, options: EngineOptions) -> InferenceEngine:
    """Load a `.keras` file through its LiteRT conversion."""
    export = partial(export_litert, precision=options.precision)
    return LiteRtEngine(exported(path, f"{options.precision}.tflite", export), options)


class LiteRtEngine:
    """Keeps one interpreter per batch shape, as resizing costs more than running; one call at a time."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        self._content = path.read_bytes()
        self._threads = options.threads(options.intra_op_threads)
        self._interpreters: dict[tuple[int, ...], Interpreter] = {}
        self._lock = threading.Lock()

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape); concurrent calls wait for each other."""
        with self._lock:
            interpreter = self._interpreters.get(inputs.shape)
            if interpreter is None:
                if len(self._interpreters) == MAX_PREPARED_SIZES:
                    self._interpreters.clear()
                interpreter = self._interpreters[inputs.shape] = Interpreter(self._content, inputs, self._threads)
            return interpreter.run(inputs)


class Interpreter:
    """A LiteRT interpreter for one input shape."""

    def __init__(self, content: bytes, inputs: NDArray[np.float32], threads: int) -> None:
        from ai_edge_litert.interpreter import Interpreter as LiteRtInterpreter

        self._interpreter = LiteRtInterpreter(model_content=content, num_threads=threads)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._interpreter.resize_tensor_input(self._input, inputs.shape)
        self._interpreter.allocate_tensors()

    def run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs for inputs of the prepared shape."""
        self._interpreter.set_tensor(self._input, inputs)
        self._interpreter.invoke()
        outputs: NDArray[np.float32] = self._interpreter.get_tensor(self._output)
        return outputs
