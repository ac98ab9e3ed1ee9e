"""Loads a prepared model into the engine that the knobs select, and computes its served accuracy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError
from harness.wire.payload_bank import Bank
from targets.engines import EngineOptions
from targets.engines.catalog import find_engine
from targets.engines.exports import exports_of
from targets.engines.knobs import file_conflict
from targets.engines.precision import FLOAT32, TOLERANCE_FACTOR
from targets.models.catalog import find_recipe
from targets.preprocessing.input_assembler import InputAssembler
from targets.preprocessing.place import preprocessing_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress
    from targets.engines import InferenceEngine
    from targets.models.preparation import PreparedModel
    from targets.pipeline.stages import ModelStage

ROWS_PER_CALL = 64


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """An engine, the assembler of its input, the model as this engine serves it, and the payload bank."""

    engine: InferenceEngine
    assembler: InputAssembler
    prepared: PreparedModel
    bank: Bank


def as_served(prepared: PreparedModel, setting: Setting) -> PreparedModel:
    """`prepared` with the card and the bank that belong to the knobs `engine` and `precision`.

    In float32 every engine must give the offline predictions of the model. In fewer bits a prediction is right if the
    engine also gives it offline, so the bank holds the engine's own outputs, which `load_model` writes: the effect of
    fewer bits is not the server's fault and shows as accuracy.
    """
    engine, precision = str(setting["engine"]), str(setting["precision"])
    card = msgspec.structs.replace(prepared.card, engine=engine, precision=precision)
    bank_path = prepared.bank_path
    if precision != FLOAT32:
        bank_path = exports_of(prepared.path) / f"{prepared.path.parent.name}.{engine}.{precision}.bank.npz"
    return replace(prepared, card=card, bank_path=bank_path)


def load_model(prepared: PreparedModel, setting: Setting, progress: Progress) -> LoadedModel:
    """Load a model from `prepare_served` into the engine that the knob `engine` names. Raises UserError."""
    served, bank = as_served(prepared, setting), Bank.load(prepared.bank_path)
    card = served.card
    stage = f"loading {card.name} ({card.engine}, {card.precision})"
    progress(stage, 0, 1)
    preprocessing = preprocessing_of(find_recipe(card.name).pipeline, setting)
    spec = preprocessing.model_input
    options = EngineOptions(
        input_shape=spec.shape,
        input_dtype=spec.dtype,
        example_length=spec.padded_length(spec.shortest),
        intra_op_threads=int(setting["intra_op_threads"]),
        inter_op_threads=int(setting["inter_op_threads"]),
        precision=card.precision,
    )
    if conflict := file_conflict(card.engine, prepared.path.name):
        raise UserError(conflict)
    engine = find_engine(card.engine).open(prepared.path, options)
    assembler = InputAssembler(preprocessing, bank.inputs)
    if card.precision != FLOAT32 or not preprocessing.wire.ragged:  # all lengths would take many seconds at each start
        outputs = _offline(engine, assembler, bank)
        card = msgspec.structs.replace(card, served_accuracy=_accuracy(outputs, bank))
    if card.precision != FLOAT32:
        tolerance = bank.meta.tolerance * TOLERANCE_FACTOR[card.precision]
        bank = replace(bank, meta=msgspec.structs.replace(bank.meta, tolerance=tolerance), expected=outputs)
        bank.save(served.bank_path)
    progress(stage, 1, 1)
    return LoadedModel(engine, assembler, replace(served, card=card), bank)


def open_stage(stage: ModelStage, setting: Setting) -> InferenceEngine:
    """Load one stage of a model into the engine that the knob `engine` names. Raises UserError."""
    options = EngineOptions(
        input_shape=stage.input_shape,
        input_dtype=stage.input_dtype,
        example_length=stage.example_length,
        intra_op_threads=int(setting["intra_op_threads"]),
        inter_op_threads=int(setting["inter_op_threads"]),
    )
    return find_engine(str(setting["engine"])).open(stage.path, options)


def _offline(engine: InferenceEngine, assembler: InputAssembler, bank: Bank) -> NDArray[np.float32]:
    """The engine's outputs (n, *output_shape) for the bank's inputs."""
    import numpy as np

    starts = range(0, len(bank.inputs), ROWS_PER_CALL)
    parts = (bank.inputs[start : start + ROWS_PER_CALL] for start in starts)
    return np.concatenate([assembler.offline(engine.predict, part) for part in parts])


def _accuracy(outputs: NDArray[np.float32], bank: Bank) -> float | None:
    """The share of labelled inputs whose class has the largest output; None where there are no classes."""
    if len(bank.labels) != len(outputs) or outputs.ndim != 2:
        return None
    return float((outputs.argmax(axis=1) == bank.labels).mean())
