"""Explains predictions: how much each input value contributed to the output of the predicted class.

Attributions have the shape of the input. Both methods compare an input with a baseline of zeros, which for the
reference models is a black image or silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from harness.plan.knobs import Setting
    from targets.engines import InferenceEngine

OFF = "off"
GRADIENTS = "integrated-gradients"
OCCLUSION = "occlusion"
OUTPUT = "attributions"
_FOREIGN_BACKENDS = ("keras-torch", "keras-jax")


class Explainer(Protocol):
    """Explains predictions; thread-safe."""

    steps: int  # model rows per explained row

    def explain(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Attributions (n, *input_shape) of `inputs` (n, *input_shape)."""


def open_explainer(
    path: Path, engine: InferenceEngine, input_shape: tuple[int, ...], setting: Setting
) -> Explainer | None:
    """Open and warm up the explainer that the knobs select; None where they select none. Raises UserError.

    Occlusion calls the engine. Gradients need the Keras model on TensorFlow, whatever the engine is.
    """
    method, steps = str(setting["explain_method"]), int(setting["explain_steps"])
    if method == OFF:
        return None
    if method == OCCLUSION:
        from targets.explain.occlusion import Occlusion

        return Occlusion(engine.predict, steps)
    if setting["engine"] in _FOREIGN_BACKENDS:
        raise UserError(
            f"explain_method={method}: needs Keras on TensorFlow, but engine={setting['engine']} runs it elsewhere; "
            f"choose explain_method={OCCLUSION} or another engine"
        )
    from targets.explain.gradients import open_gradients

    return open_gradients(path, input_shape, steps)
