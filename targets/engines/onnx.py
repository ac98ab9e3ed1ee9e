"""`onnxruntime`: the model exported to ONNX and run by ONNX Runtime on the CPU."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from targets.engines.exports import converted, exported
from targets.engines.precision import FLOAT16, FLOAT32, INT8

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import keras
    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import EngineOptions, InferenceEngine


def export_onnx(model: keras.Model, to: Path) -> None:
    """Write `model` as ONNX with a free batch axis."""
    with warnings.catch_warnings():  # the converter names a NumPy type that is about to change
        warnings.simplefilter("ignore", FutureWarning)
        model.export(str(to), format="onnx", verbose=False)


def open_engine(path: Path, options: EngineOptions) -> InferenceEngine:
    """Load a `.keras` file through its ONNX export."""
    plain = exported(path, "onnx", export_onnx)
    return OnnxEngine(CONVERSIONS[options.precision](plain), options)


def _half(plain: Path) -> Path:
    """Weights and arithmetic in float16, inputs and answers in float32."""

    def convert(to: Path) -> None:
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        onnx.save(convert_float_to_float16(onnx.load(plain), keep_io_types=True), to)

    return converted(plain, "float16.onnx", convert)


def _quantised(plain: Path) -> Path:
    """Weights in int8, activations quantised by the range each batch has (no calibration data is needed)."""

    def convert(to: Path) -> None:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(plain, to, weight_type=QuantType.QUInt8)  # signed weights: slow convolutions, no better

    return converted(plain, "int8.onnx", convert)


CONVERSIONS: dict[str, Callable[[Path], Path]] = {FLOAT32: lambda plain: plain, FLOAT16: _half, INT8: _quantised}


class OnnxEngine:
    """One ONNX Runtime session; `run` releases the interpreter lock and is thread-safe."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        import onnxruntime

        session_options = onnxruntime.SessionOptions()
        session_options.intra_op_num_threads = options.threads(options.intra_op_threads)
        session_options.inter_op_num_threads = options.threads(options.inter_op_threads)
        # Idle threads that spin would take the core the front end needs.
        session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(path, session_options, providers=["CPUExecutionProvider"])
        self._input_name = self._session.get_inputs()[0].name

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Answers (n, *output_shape); thread-safe."""
        answers: NDArray[np.float32] = self._session.run(None, {self._input_name: inputs})[0]
        return answers
