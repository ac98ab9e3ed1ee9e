"""Pads batches to powers of two for an engine that compiles each batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import EngineOptions, InferenceEngine

WARM_SIZES = (1, 2, 4, 8, 16, 32, 64)


class PaddedEngine:
    """Pads a batch with zeros to the next power of two and drops the outputs of the padding.

    The sizes up to 64 are compiled at the start, a larger one at its first call.
    """

    def __init__(self, engine: InferenceEngine, options: EngineOptions) -> None:
        self._engine = engine
        for size in WARM_SIZES:
            engine.predict(options.example(size))

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape); as thread-safe as the engine."""
        import numpy as np

        count = len(inputs)
        size = 1 << (count - 1).bit_length()
        if size != count:
            padded = np.zeros((size, *inputs.shape[1:]), inputs.dtype)
            padded[:count] = inputs
            inputs = padded
        return self._engine.predict(inputs)[:count]
