"""From a prepared model and a knob setting to an engine that runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.engines import EngineOptions
from targets.engines.catalog import find_engine

if TYPE_CHECKING:
    from harness.bank import Bank
    from harness.knobs import Setting
    from harness.target import Progress
    from targets.engines import Engine
    from targets.models.preparation import PreparedModel


def load_engine(prepared: PreparedModel, bank: Bank, setting: Setting, progress: Progress) -> Engine:
    """The engine that the knob `engine` names, with the model loaded."""
    name = str(setting["engine"])
    stage = f"loading {prepared.card.name} ({name})"
    progress(stage, 0, 1)
    options = EngineOptions(
        input_shape=bank.meta.input_shape,
        intra_op_threads=int(setting["intra_op_threads"]),
        inter_op_threads=int(setting["inter_op_threads"]),
    )
    engine = find_engine(name).open(prepared.path, options)
    progress(stage, 1, 1)
    return engine
