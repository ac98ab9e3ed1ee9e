"""The knobs of engines. Importing this imports nothing heavy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.plan.knobs import Knob, KnobSet, Owner
from targets.engines.catalog import CATALOG, available, find_engine, not_available
from targets.engines.precision import FLOAT32, PRECISIONS

if TYPE_CHECKING:
    from harness.plan.knobs import Setting

SLOW = ("tf-function", "eager", "predict-on-batch", "predict", "keras-torch")  # Keras's own ways, for comparison

ENGINE = Knob(
    name="engine",
    doc=f"The engine that executes the Keras model ({', '.join(f'{spec.name}: {spec.doc}' for spec in CATALOG)}).",
    default=next(iter(available()), CATALOG[0].name),
    swept=available(),
    tuned=tuple(name for name in available() if name not in SLOW),
    choices=tuple(spec.name for spec in CATALOG),
    unavailable=not_available(),
    owner=Owner.ENGINE,
)
PRECISION = Knob(
    name="precision",
    doc="The number format in which the engine computes; the model card has the resulting accuracy.",
    default=FLOAT32,
    swept=PRECISIONS,
    choices=PRECISIONS,
    owner=Owner.ENGINE,
)
INTRA_OP_THREADS = Knob(
    name="intra_op_threads",
    doc="Threads inside one operation of the model; 0: as many as the cores that the process may use.",
    default=0,
    swept=(1, 2, 4),
    tuned=(0, 1, 2),
    unit="threads",
    minimum=0,
    maximum=1024,
    owner=Owner.ENGINE,
)
INTER_OP_THREADS = Knob(
    name="inter_op_threads",
    doc="Threads over independent operations of the model; 0: as many as the cores of the process; onnxruntime: 1.",
    default=0,
    swept=(1, 2, 4),
    unit="threads",
    minimum=0,
    maximum=1024,
    owner=Owner.ENGINE,
)
ENGINE_KNOBS = (ENGINE, PRECISION, INTRA_OP_THREADS, INTER_OP_THREADS)


def precision_conflict(setting: Setting) -> str | None:
    """Why the engine cannot compute in the precision of a complete setting; None where it can."""
    engine = find_engine(str(setting["engine"]))
    if setting["precision"] in engine.precisions:
        return None
    return f"precision={setting['precision']}: engine={engine.name} supports {', '.join(engine.precisions)}"


def thread_conflict(setting: Setting) -> str | None:
    """Why the engine cannot use the threads of a complete setting; None where it can. One thread is what each has."""
    engine = find_engine(str(setting["engine"]))
    for name in (INTRA_OP_THREADS.name, INTER_OP_THREADS.name):
        if int(setting[name]) > 1 and name not in engine.threads:
            return f"{name}={setting[name]}: engine={engine.name} does not obey {name}; leave it out"
    return None


def file_conflict(engine: str, file: str) -> str | None:
    """Why the engine cannot run the file of a model; None where it can."""
    able = [spec.name for spec in CATALOG if spec.runs_onnx]
    if not file.endswith(".onnx") or engine in able:
        return None
    return f"engine={engine}: it cannot run an .onnx file; choose {' or '.join(able)}"


def knobs_of_file(knobs: KnobSet, file: str) -> KnobSet:
    """`knobs` with the engines that can run the file of a model; one of them is the default."""

    def fits(engine: object) -> bool:
        return file_conflict(str(engine), file) is None

    def fitting(knob: Knob) -> Knob:
        if knob.name != ENGINE.name:
            return knob
        swept, tuned = tuple(filter(fits, knob.swept)), tuple(filter(fits, knob.tuned))
        missing = tuple(each for each in knob.unavailable if fits(each[0]))
        default = next(filter(fits, (knob.default, *swept, *knob.choices)))
        return replace(knob, default=default, swept=swept, tuned=tuned, unavailable=missing)

    def conflict(setting: Setting) -> str | None:
        return file_conflict(str(setting[ENGINE.name]), file) or knobs.conflict(setting)

    return KnobSet(knobs.owner_name, tuple(map(fitting, knobs)), conflict)
