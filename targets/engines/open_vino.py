"""`openvino`: the model's ONNX export compiled by OpenVINO for this processor, in float32 or bfloat16."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from targets.engines.exports import exported
from targets.engines.onnx import export_onnx

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import Engine, EngineOptions


def open_engine(path: Path, options: EngineOptions) -> Engine:
    """Load a `.keras` file through its ONNX export."""
    return OpenVinoEngine(exported(path, "onnx", export_onnx), options)


class OpenVinoEngine:
    """A compiled model with one infer request per calling thread."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        import openvino

        # Left to itself the plugin takes bfloat16 where the processor has it, and answers differ by 1 %.
        hints = {
            "INFERENCE_NUM_THREADS": options.threads(options.intra_op_threads),
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._compiled = openvino.Core().compile_model(path, "CPU", hints)
        self._local = threading.local()

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answers (n, *output_shape); thread-safe."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        answers: NDArray[np.float32] = request.infer([inputs])[0]
        return answers
