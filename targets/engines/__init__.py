"""Engines execute a Keras model, each in a file of its own. Importing this imports none of their libraries."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from targets.engines.precision import FLOAT32

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class InferenceEngine(Protocol):
    """A loaded model. `predict` is thread-safe."""

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape), with any n >= 1 and any size of a free axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """The options of every engine. Zero threads means as many as the cores that this process may use."""

    input_shape: tuple[int, ...]  # of an item; -1 for a free axis
    input_dtype: str = "<f4"
    example_length: int = 1  # a legal size of the free axis
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    precision: str = FLOAT32

    def example(self, rows: int) -> NDArray[Any]:
        """Zeros (rows, *input_shape); a free axis has the size `example_length`."""
        import numpy as np

        return np.zeros(
            (rows, *(self.example_length if size < 0 else size for size in self.input_shape)), self.input_dtype
        )

    def threads(self, requested: int) -> int:
        """`requested`, or where that is 0 the number of cores that this process may use."""
        return requested or len(os.sched_getaffinity(0))
