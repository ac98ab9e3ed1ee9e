"""Makes an engine thread-safe with a lock."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import InferenceEngine


class SerialisedEngine:
    """Runs one call of the engine at a time."""

    def __init__(self, engine: InferenceEngine) -> None:
        self._engine = engine
        self._lock = threading.Lock()

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape); thread-safe."""
        with self._lock:
            return self._engine.predict(inputs)
