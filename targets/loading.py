"""From a prepared model and a knob setting to an engine that runs it, and what is known of its answers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from harness.wire.payload_bank import Bank
from targets.engines import EngineOptions
from targets.engines.catalog import find_engine
from targets.engines.exports import exports_of
from targets.engines.precision import FLOAT32, TOLERANCE_FACTOR
from targets.models.catalog import find_recipe
from targets.preprocessing.intake import Intake
from targets.preprocessing.place import preprocessing_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress
    from targets.engines import Engine
    from targets.models.preparation import PreparedModel
    from targets.pipeline.stages import Stage

ROWS_PER_CALL = 64


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """An engine, the way of payloads into it, the model as this engine serves it, and its bank."""

    engine: Engine
    intake: Intake
    prepared: PreparedModel
    bank: Bank


def as_served(prepared: PreparedModel, setting: Setting) -> PreparedModel:
    """What the knobs `engine` and `precision` make of it: the card names both.

    In float32 every engine must answer as the model did offline. In fewer bits an answer is right if the engine gives
    it offline too, and the bank is one of its own answers, which `load_model` writes: what fewer bits cost is not the
    server's fault, and shows as accuracy.
    """
    engine, precision = str(setting["engine"]), str(setting["precision"])
    card = msgspec.structs.replace(prepared.card, engine=engine, precision=precision)
    bank_path = prepared.bank_path
    if precision != FLOAT32:
        bank_path = exports_of(prepared.path) / f"{prepared.path.parent.name}.{engine}.{precision}.bank.npz"
    return replace(prepared, card=card, bank_path=bank_path)


def load_model(prepared: PreparedModel, setting: Setting, progress: Progress) -> LoadedModel:
    """Load the model, as `prepare_served` gave it, into the engine that the knob `engine` names. Raises UserError."""
    served, bank = as_served(prepared, setting), Bank.load(prepared.bank_path)
    card = served.card
    stage = f"loading {card.name} ({card.engine}, {card.precision})"
    progress(stage, 0, 1)
    way = preprocessing_of(find_recipe(card.name).pipeline, setting)
    form = way.taken
    options = EngineOptions(
        input_shape=form.shape,
        input_dtype=form.dtype,
        example_length=form.padded_length(form.shortest),
        intra_op_threads=int(setting["intra_op_threads"]),
        inter_op_threads=int(setting["inter_op_threads"]),
        precision=card.precision,
    )
    engine = find_engine(card.engine).open(prepared.path, options)
    intake = Intake(way, bank.inputs)
    if card.precision != FLOAT32 or not way.wire.ragged:  # items of all lengths would take many seconds at each start
        answers = _offline(engine, intake, bank)
        card = msgspec.structs.replace(card, served_accuracy=_accuracy(answers, bank))
    if card.precision != FLOAT32:
        tolerance = bank.meta.tolerance * TOLERANCE_FACTOR[card.precision]
        bank = replace(bank, meta=msgspec.structs.replace(bank.meta, tolerance=tolerance), expected=answers)
        bank.save(served.bank_path)
    progress(stage, 1, 1)
    return LoadedModel(engine, intake, replace(served, card=card), bank)


def open_stage(stage: Stage, setting: Setting) -> Engine:
    """One stage of a model in the engine that the knob `engine` names. Raises UserError."""
    options = EngineOptions(
        input_shape=stage.input_shape,
        input_dtype=stage.input_dtype,
        example_length=stage.example_length,
        intra_op_threads=int(setting["intra_op_threads"]),
        inter_op_threads=int(setting["inter_op_threads"]),
    )
    return find_engine(str(setting["engine"])).open(stage.path, options)


def _offline(engine: Engine, intake: Intake, bank: Bank) -> NDArray[np.float32]:
    """The engine's answers to the bank's inputs (n, *output_shape)."""
    import numpy as np

    starts = range(0, len(bank.inputs), ROWS_PER_CALL)
    parts = (bank.inputs[start : start + ROWS_PER_CALL] for start in starts)
    return np.concatenate([intake.offline(engine.predict, part) for part in parts])


def _accuracy(answers: NDArray[np.float32], bank: Bank) -> float | None:
    """The share of labelled inputs whose class has the largest answer; None where there are no classes."""
    if len(bank.labels) != len(answers) or answers.ndim != 2:
        return None
    return float((answers.argmax(axis=1) == bank.labels).mean())
