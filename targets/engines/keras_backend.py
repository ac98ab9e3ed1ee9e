"""`keras-torch` and `keras-jax` run the Keras model on another backend.

An environment variable selects the backend before Keras is first imported, so these engines need a process that has
not imported Keras, such as a target process.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from harness.errors import RunError
from targets.engines.keras_file import load_model

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import EngineOptions, InferenceEngine


def open_torch(path: Path, options: EngineOptions) -> InferenceEngine:
    """Load a `.keras` file on PyTorch. Raises RunError where Keras already runs on another backend."""
    model = _load("torch", path, options)
    import torch

    torch.set_num_threads(options.threads(options.intra_op_threads))
    return TorchEngine(model)


def open_jax(path: Path, options: EngineOptions) -> InferenceEngine:
    """Load a `.keras` file on JAX, which ignores the thread options. Raises RunError like `open_torch`."""
    return JaxEngine(_load("jax", path, options))


def _load(backend: str, path: Path, options: EngineOptions) -> Any:
    if "keras" in sys.modules and os.environ.get("KERAS_BACKEND") != backend:
        raise RunError(f"Keras already runs on another backend than {backend}; restart the target")
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
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape)."""
        with self._no_grad():
            outputs: NDArray[np.float32] = self._model(self._from_numpy(inputs.copy()), training=False).float().numpy()
        return outputs


class JaxEngine:
    """A jitted stateless call, compiled for each batch size; thread-safe."""

    def __init__(self, model: Any) -> None:
        import jax
        import jax.numpy as jnp

        weights = ([v.value for v in model.trainable_variables], [v.value for v in model.non_trainable_variables])

        def call(inputs: Any) -> Any:
            return model.stateless_call(*weights, inputs, training=False)[0].astype(jnp.float32)

        self._call = jax.jit(call)

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape)."""
        import numpy as np

        outputs: NDArray[np.float32] = np.asarray(self._call(inputs))
        return outputs
