"""`keras-torch` and `keras-jax`: the same Keras model on another backend.

The backend is chosen by an environment variable before Keras is first imported, so these are for a process that
has not imported it: a target's own.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from harness.errors import RunError
from targets.engines.keras_model import load_model

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import Engine, EngineOptions


def open_torch(path: Path, options: EngineOptions) -> Engine:
    """Load a `.keras` file on PyTorch. Raises RunError where Keras was imported on another backend before."""
    model = _load("torch", path, options)
    import torch

    torch.set_num_threads(options.threads(options.intra_op_threads))
    return TorchEngine(model)


def open_jax(path: Path, options: EngineOptions) -> Engine:
    """Load a `.keras` file on JAX, whose threads are its own matter. Raises RunError as `open_torch`."""
    return JaxEngine(_load("jax", path, options))


def _load(backend: str, path: Path, options: EngineOptions) -> Any:
    if "keras" in sys.modules and os.environ.get("KERAS_BACKEND") != backend:
        raise RunError(f"Keras was imported on another backend before {backend}; start the target anew")
    os.environ["KERAS_BACKEND"] = backend
    return load_model(path, options.precision)


class TorchEngine:
    """A forward pass without gradients; thread-safe."""

    def __init__(self, model: Any) -> None:
        import torch

        self._model = model
        self._from_numpy = torch.from_numpy
        self._no_grad = torch.no_grad

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answers (n, *output_shape)."""
        with self._no_grad():
            answers: NDArray[np.float32] = self._model(self._from_numpy(inputs.copy()), training=False).float().numpy()
        return answers


class JaxEngine:
    """A jitted stateless call; compiled anew for each batch size; thread-safe."""

    def __init__(self, model: Any) -> None:
        import jax
        import jax.numpy as jnp

        weights = ([v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables])

        def call(inputs: Any) -> Any:
            return model.stateless_call(*weights, inputs, training=False)[0].astype(jnp.float32)

        self._call = jax.jit(call)

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answers (n, *output_shape)."""
        import numpy as np

        answers: NDArray[np.float32] = np.asarray(self._call(inputs))
        return answers
