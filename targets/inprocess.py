"""`inprocess`: the model inside the load process, called from its threads.

The load process is patched by gevent and forked before this is opened. So nothing here makes a lock, nothing
runs at import, and `model.predict` (which makes threads and a data pipeline per call) is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from targets.loading import load_model
from targets.models import prepare

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.knobs import Setting
    from targets.loading import LoadedModel

WARM_CALLS = 5


class KerasInProcess:
    """An `InProcessModel`: a warm engine and the bank of its model."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._engine = loaded.engine
        self._form = loaded.form
        self.bank = loaded.bank

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Answers (n, *output_shape) to inputs (n, *input_shape); from any thread."""
        return self._engine.predict(self._form.join([inputs]))


def open_model(model: str, setting: Setting) -> KerasInProcess:
    """Load `model`, trained first where it must be, and call it until it is warm. Raises UserError."""
    loaded = load_model(prepare(model, _unwatched), setting, _unwatched)
    for item in loaded.bank.inputs[:WARM_CALLS]:
        loaded.engine.predict(loaded.form.join([item[None]]))
    return KerasInProcess(loaded)


def _unwatched(stage: str, done: int, total: int) -> None:
    del stage, done, total
