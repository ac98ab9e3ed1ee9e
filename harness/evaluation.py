"""From a run directory to its result: the same way for a run just ended and for one of last year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.scaling import scaling
from harness.simulation.result import read_simulation
from harness.summary import summarise_run

if TYPE_CHECKING:
    from harness.metrics import RunResult
    from harness.store import RunDir, RunRecord


def evaluate(run_dir: RunDir, record: RunRecord) -> RunResult:
    """Judge everything that the folder holds; what it lacks is named in `missing`."""
    result = summarise_run(record.plan, run_dir.evidence(record.plan), record.model)
    pieces_ms = record.model.piece_ms if record.model else ()
    return msgspec.structs.replace(
        result,
        models=record.models,
        scaling=scaling(record.plan, result.points, record.target_cores, pieces_ms),
        simulation=read_simulation(run_dir.path),
    )
