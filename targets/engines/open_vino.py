"""`openvino` compiles the model's ONNX export with OpenVINO for this processor."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from harness.errors import UserError
from targets.engines.exports import exported
from targets.engines.fixed_batch import FixedBatchEngine
from targets.engines.onnx import export_onnx
from targets.engines.precision import BFLOAT16, FLOAT16, FLOAT32

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import EngineOptions, InferenceEngine


def open_engine(path: Path, options: EngineOptions) -> InferenceEngine:
    """Load an `.onnx` file, or a `.keras` file through its export."""
    engine = OpenVinoEngine(exported(path, "onnx", export_onnx), options)
    return engine if engine.fixed_batch is None else FixedBatchEngine(engine, engine.fixed_batch)


HINTS = {FLOAT32: "f32", FLOAT16: "f16", BFLOAT16: "bf16"}


class OpenVinoEngine:
    """A compiled model with one infer request per calling thread."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        import openvino

        # By default the plugin computes in bfloat16 where the processor supports it, and outputs differ by 1 %.
        hints = {
            "INFERENCE_NUM_THREADS": options.threads(options.intra_op_threads),
            "INFERENCE_PRECISION_HINT": HINTS[options.precision],
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._compiled = openvino.Core().compile_model(path, "CPU", hints)
        actual = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if actual != HINTS[options.precision]:
            raise UserError(f"precision={options.precision}: on this processor OpenVINO computes in {actual} instead")
        batch = self._compiled.input(0).partial_shape[0]
        self.fixed_batch: int | None = batch.get_length() if batch.is_static else None
        self._local = threading.local()

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape); thread-safe."""
        request = getattr(self._local, "request", None)
        if request is None:
            request = self._local.request = self._compiled.create_infer_request()
        outputs: NDArray[np.float32] = request.infer([inputs])[0]
        return outputs
