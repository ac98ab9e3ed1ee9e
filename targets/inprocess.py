"""`inprocess`: the model inside the load process, called from its threads.

The load process is patched by gevent and forked before this is opened. So nothing here makes a lock, nothing
runs at import, and `model.predict` (which makes threads and a data pipeline per call) is not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from targets.loading import load_model
from targets.preparation import prepare_served

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.plan.knobs import Setting
    from targets.loading import LoadedModel

WARM_CALLS = 5


class KerasInProcess:
    """An `InProcessModel`: a warm engine and the bank of its model."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._engine = loaded.engine
        self._intake = loaded.intake
        self.bank = loaded.bank

    def prepare(self, inputs: NDArray[Any]) -> tuple[NDArray[Any], dict[str, int]]:
        """What `predict` takes, of items of one length as clients have them; what each step took, in ns."""
        way = self._intake.way
        joined = way.wire.join([inputs], way.padding)
        return way.pipeline.apply(joined) if way.steps_here else (joined, {})

    def predict(self, inputs: NDArray[Any]) -> NDArray[np.float32]:
        """Answers (n, *output_shape) to prepared inputs; from any thread."""
        return self._intake.answers(self._engine.predict(inputs))


def open_model(model: str, setting: Setting) -> KerasInProcess:
    """Load `model`, trained first where it must be, and call it until it is warm. Raises UserError."""
    loaded = load_model(prepare_served(model, setting, _unwatched), setting, _unwatched)
    for _ in range(WARM_CALLS):
        loaded.engine.predict(loaded.intake.sample_batch(1))
    return KerasInProcess(loaded)


def _unwatched(stage: str, done: int, total: int) -> None:
    del stage, done, total
