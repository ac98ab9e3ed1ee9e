"""The registry of engines: what each is, which modules it needs, and its opener. Importing this is cheap.

A new engine is one module in this package and one entry in `CATALOG`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from harness.errors import UserError, unknown_name
from targets.engines.precision import BFLOAT16, FLOAT16, FLOAT32, INT8, PRECISIONS
from targets.engines.quiet_import import has_tensorflow

if TYPE_CHECKING:
    from pathlib import Path

    from targets.engines import EngineOptions, InferenceEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """One way to execute a Keras model."""

    name: str
    doc: str
    needs: tuple[str, ...]  # importable modules
    exports_with: tuple[str, ...] = ()  # and those that export a Keras model, where TensorFlow trains one
    extra: str = "tensorflow"  # the extra of this distribution that installs them
    opener: str  # "module:function" in this package
    thread_safe: bool = True
    compiles_each_size: bool = False
    runs_onnx: bool = False  # an .onnx file as it is
    precisions: tuple[str, ...] = PRECISIONS
    threads: tuple[str, ...] = ("intra_op_threads", "inter_op_threads")  # the thread knobs that it obeys

    def missing(self) -> tuple[str, ...]:
        """The needed modules that are not installed."""
        exporters = self.exports_with if has_tensorflow() else ()
        return tuple(module for module in (*self.needs, *exporters) if find_spec(module) is None)

    @property
    def remedy(self) -> str:
        """Which modules are missing and how to install them; empty where none is missing."""
        missing = self.missing()
        install = f"pip install 'sweepspot[{self.extra}]'"
        return f"{', '.join(missing)} is not installed; {install}" if missing else ""

    def open(self, path: Path, options: EngineOptions) -> InferenceEngine:
        """Load a `.keras` or `.onnx` file. Raises UserError where a needed module or the precision is missing."""
        if remedy := self.remedy:
            raise UserError(f"engine={self.name}: {remedy}")
        if options.precision not in self.precisions:
            raise UserError(f"precision={options.precision}: engine={self.name} supports {', '.join(self.precisions)}")
        module, _, function = self.opener.partition(":")
        engine: InferenceEngine = getattr(importlib.import_module(f"targets.engines.{module}"), function)(path, options)
        if self.compiles_each_size:
            from targets.engines.padded import PaddedEngine

            engine = PaddedEngine(engine, options)
        if not self.thread_safe:
            from targets.engines.serialised import SerialisedEngine

            engine = SerialisedEngine(engine)
        return engine


_TF = ("tensorflow",)
_EXPORTERS = ("tf2onnx",)
_INTRA_OP = ("intra_op_threads",)

CATALOG = (
    EngineSpec(
        name="concrete-function",
        doc="the model traced into one TensorFlow function",
        needs=_TF,
        opener="tf_function:open_concrete",
    ),
    EngineSpec(
        name="tf-function",
        doc="the same behind @tf.function, which looks up its trace at each call",
        needs=_TF,
        opener="tf_function:open_function",
    ),
    EngineSpec(
        name="xla",
        doc="the same, compiled by XLA",
        needs=_TF,
        opener="tf_function:open_xla",
        compiles_each_size=True,
    ),
    EngineSpec(
        name="eager", doc="model(x), dispatched layer by layer from Python", needs=_TF, opener="keras_call:open_eager"
    ),
    EngineSpec(
        name="predict-on-batch",
        doc="model.predict_on_batch(x)",
        needs=_TF,
        opener="keras_call:open_predict_on_batch",
        thread_safe=False,
    ),
    EngineSpec(
        name="predict",
        doc="model.predict(x), which builds an input pipeline per call",
        needs=_TF,
        opener="keras_call:open_predict",
        thread_safe=False,
    ),
    EngineSpec(
        name="onnxruntime",
        doc="exported to ONNX, run by ONNX Runtime",
        needs=("onnxruntime",),
        exports_with=_EXPORTERS,
        extra="onnx",
        opener="onnx:open_engine",
        runs_onnx=True,
        precisions=(FLOAT32, FLOAT16, INT8),
    ),
    EngineSpec(
        name="litert",
        doc="converted to LiteRT",
        needs=("ai_edge_litert", "tensorflow"),
        extra="litert",
        opener="litert:open_engine",
        precisions=(FLOAT32, FLOAT16, INT8),
        threads=_INTRA_OP,
    ),
    EngineSpec(
        name="openvino",
        doc="exported to ONNX, compiled by OpenVINO",
        needs=("openvino",),
        exports_with=_EXPORTERS,
        extra="openvino",
        opener="open_vino:open_engine",
        runs_onnx=True,
        precisions=(FLOAT32, FLOAT16, BFLOAT16),
        threads=_INTRA_OP,
    ),
    EngineSpec(
        name="keras-torch",
        doc="Keras on PyTorch",
        needs=("torch", "tensorflow"),
        extra="torch",
        opener="keras_backend:open_torch",
        threads=_INTRA_OP,
    ),
    EngineSpec(
        name="keras-jax",
        doc="Keras on JAX, jitted",
        needs=("jax", "tensorflow"),
        extra="jax",
        opener="keras_backend:open_jax",
        compiles_each_size=True,
        threads=(),
    ),
)


def find_engine(name: str) -> EngineSpec:
    """The engine called `name`. Raises UserError that names the most similar engine."""
    for spec in CATALOG:
        if spec.name == name:
            return spec
    raise unknown_name("engine", name, (spec.name for spec in CATALOG))


def available() -> tuple[str, ...]:
    """The names of the engines whose modules are installed, in the order of `CATALOG`."""
    return tuple(spec.name for spec in CATALOG if not spec.missing())


def not_available() -> tuple[tuple[str, str], ...]:
    """(name, remedy) of the other engines: which modules are missing and how to install them."""
    return tuple((spec.name, spec.remedy) for spec in CATALOG if spec.missing())
