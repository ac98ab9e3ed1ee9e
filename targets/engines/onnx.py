"""`onnxruntime` exports the model to ONNX and runs it in ONNX Runtime on the CPU."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from targets.engines.exports import converted, exported
from targets.engines.fixed_batch import FixedBatchEngine
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
    with warnings.catch_warnings():  # the converter uses a deprecated NumPy type
        warnings.simplefilter("ignore", FutureWarning)
        model.export(str(to), format="onnx", verbose=False)


def open_engine(path: Path, options: EngineOptions) -> InferenceEngine:
    """Load an `.onnx` file, or a `.keras` file through its export. Raises UserError where a converter is missing."""
    plain = exported(path, "onnx", export_onnx)
    if options.precision != FLOAT32 and find_spec("onnx") is None:
        raise UserError(f"precision={options.precision}: onnx is not installed; pip install 'sweepspot[onnx]'")
    engine = OnnxEngine(CONVERSIONS[options.precision](plain), options)
    return engine if engine.fixed_batch is None else FixedBatchEngine(engine, engine.fixed_batch)


def _half(plain: Path) -> Path:
    """Convert weights and arithmetic to float16; inputs and outputs stay float32."""

    def convert(to: Path) -> None:
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        onnx.save(convert_float_to_float16(onnx.load(plain), keep_io_types=True), to)

    return converted(plain, "float16.onnx", convert)


def _quantised(plain: Path) -> Path:
    """Quantise weights to int8, activations by the range of each batch (without calibration data)."""

    def convert(to: Path) -> None:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        quantize_dynamic(
            plain, to, weight_type=QuantType.QUInt8
        )  # signed weights make convolutions slower and no more accurate

    return converted(plain, "int8.onnx", convert)


_FRACTIONS = ("tensor(float)", "tensor(double)", "tensor(float16)")
CONVERSIONS: dict[str, Callable[[Path], Path]] = {FLOAT32: lambda plain: plain, FLOAT16: _half, INT8: _quantised}


class OnnxEngine:
    """One ONNX Runtime session. Its `run` releases the interpreter lock and is thread-safe."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        import onnxruntime

        session_options = onnxruntime.SessionOptions()
        session_options.intra_op_num_threads = options.threads(options.intra_op_threads)
        if options.inter_op_threads > 1:  # without the parallel mode their number is ignored
            session_options.execution_mode = onnxruntime.ExecutionMode.ORT_PARALLEL
            session_options.inter_op_num_threads = options.inter_op_threads
        # Spinning idle threads would take the core that the front end needs.
        for pool in ("intra_op", "inter_op"):
            session_options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(path, session_options, providers=["CPUExecutionProvider"])
        given = self._session.get_inputs()[0]
        self._input_name = given.name
        self.fixed_batch = given.shape[0] if given.shape and isinstance(given.shape[0], int) else None
        self._output_names = [served_output(self._session)]

    def predict(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (n, *output_shape) for `inputs` (n, *input_shape); thread-safe."""
        import numpy as np

        (outputs,) = self._session.run(self._output_names, {self._input_name: inputs})
        return np.asarray(outputs, np.float32)


def served_output(session: Any) -> str:
    """The output that is served: the first of fractions (not a classifier's labels beside its probabilities).

    Without one it is the first of all.
    """
    outputs = session.get_outputs()
    fractions = [each for each in outputs if each.type in _FRACTIONS]
    return str((fractions or outputs)[0].name)
