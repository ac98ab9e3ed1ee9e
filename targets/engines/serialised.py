"""An engine that is not thread-safe, called by one thread at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import InferenceEngine


class SerialisedEngine:
    """Callers wait for each other."""

    def __init__(self, engine: InferenceEngine) -> None:
        self._engine = engine
        self._lock = threading.Lock()

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answers (n, *output_shape); thread-safe."""
        with self._lock:
            return self._engine.predict(inputs)
