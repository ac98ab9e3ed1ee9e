"""`inprocess` runs the model inside the load process, called from its threads.

The load process is patched by gevent and forked before this is opened. So this module creates no lock, runs nothing at
import, and does not use `model.predict`, which makes threads and a data pipeline per call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from targets.loading import load_model
from targets.preparation import no_progress, prepare_served

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.plan.knobs import Setting
    from targets.loading import LoadedModel

WARM_CALLS = 5


class KerasInProcess:
    """An `InProcessModel`: a warm engine and the payload bank of its model."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._engine = loaded.engine
        self._assembler = loaded.assembler
        self.bank = loaded.bank

    def prepare(self, inputs: NDArray[Any]) -> tuple[NDArray[Any], dict[str, int]]:
        """Preprocess client items of one length to inputs of `predict`. Also returns ns per step."""
        preprocessing = self._assembler.preprocessing
        joined = preprocessing.wire.join([inputs], preprocessing.padding)
        return preprocessing.pipeline.apply(joined) if preprocessing.in_server else (joined, {})

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for prepared inputs; from any thread."""
        return self._assembler.average_views(self._engine.predict(inputs))


def open_model(model: str, setting: Setting) -> KerasInProcess:
    """Load `model` (and train it on first use) and warm it up. Raises UserError."""
    loaded = load_model(prepare_served(model, setting, no_progress), setting, no_progress)
    for _ in range(WARM_CALLS):
        loaded.engine.predict(loaded.assembler.sample_batch(1))
    return KerasInProcess(loaded)
