"""Runs a model whose file fixes the size of its batch axis, as exports often do with 1: several calls for a batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from targets.engines import InferenceEngine

    Run = Callable[[NDArray[Any]], NDArray[Any]]


def in_batches_of(size: int, run: Run, inputs: NDArray[Any]) -> NDArray[Any]:
    """Outputs (n, ...) of `run`, which takes `size` items at a time; the last are filled up with zeros."""
    import numpy as np

    outputs = []
    for start in range(0, len(inputs), size):
        part = inputs[start : start + size]
        missing = np.zeros((size - len(part), *inputs.shape[1:]), inputs.dtype)
        outputs.append(run(np.concatenate([part, missing]) if len(missing) else part)[: len(part)].copy())
    return np.concatenate(outputs)


class FixedBatchEngine:
    """An engine whose model takes exactly `size` items a call."""

    def __init__(self, engine: InferenceEngine, size: int) -> None:
        self._engine = engine
        self._size = size

    def predict(self, inputs: NDArray[Any]) -> NDArray[Any]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape); as thread-safe as the engine."""
        return in_batches_of(self._size, self._engine.predict, inputs)
