"""`eager`, `predict` and `predict-on-batch` call the Keras model in the three usual ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.engines.tf_function import load

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import EngineOptions, InferenceEngine


def open_eager(path: Path, options: EngineOptions) -> InferenceEngine:
    """Open `model(x)`: Python dispatches every layer."""
    return EagerEngine(load(path, options))


def open_predict(path: Path, options: EngineOptions) -> InferenceEngine:
    """Open `model.predict(x)`, which builds an input pipeline in each call."""
    return PredictEngine(load(path, options))


def open_predict_on_batch(path: Path, options: EngineOptions) -> InferenceEngine:
    """Open `model.predict_on_batch(x)`: the traced step without the input pipeline."""
    return PredictOnBatchEngine(load(path, options))


class EagerEngine:
    """Thread-safe: a forward pass modifies nothing."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape)."""
        return as_float32(self._model(inputs, training=False).numpy())


class PredictEngine:
    """Not thread-safe: `predict` keeps state in the model."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape)."""
        return as_float32(self._model.predict(inputs, batch_size=len(inputs), verbose=0))


class PredictOnBatchEngine:
    """Not thread-safe: the model keeps the traced step."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape)."""
        return as_float32(self._model.predict_on_batch(inputs))


def as_float32(outputs: NDArray[np.floating]) -> NDArray[np.float32]:
    """`outputs` as float32, without a copy where they are float32 already."""
    import numpy as np

    return outputs.astype(np.float32, copy=False)
