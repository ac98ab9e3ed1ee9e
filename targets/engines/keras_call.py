"""`eager`, `predict` and `predict-on-batch`: the three ways a Keras model is usually called."""

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
    """`model(x)`: every layer dispatched from Python."""
    return EagerEngine(load(path, options))


def open_predict(path: Path, options: EngineOptions) -> InferenceEngine:
    """`model.predict(x)`: made for data sets; each call builds an input pipeline."""
    return PredictEngine(load(path, options))


def open_predict_on_batch(path: Path, options: EngineOptions) -> InferenceEngine:
    """`model.predict_on_batch(x)`: the traced step without the input pipeline."""
    return PredictOnBatchEngine(load(path, options))


class EagerEngine:
    """Thread-safe: a forward pass changes nothing."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answers (n, *output_shape)."""
        return as_float32(self._model(inputs, training=False).numpy())


class PredictEngine:
    """Not thread-safe: `predict` keeps state in the model."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answers (n, *output_shape)."""
        return as_float32(self._model.predict(inputs, batch_size=len(inputs), verbose=0))


class PredictOnBatchEngine:
    """Not thread-safe: the traced step is kept in the model."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answers (n, *output_shape)."""
        return as_float32(self._model.predict_on_batch(inputs))


def as_float32(answers: NDArray[np.floating]) -> NDArray[np.float32]:
    """`answers` as every engine gives them; itself where it is so already."""
    import numpy as np

    return answers.astype(np.float32, copy=False)
