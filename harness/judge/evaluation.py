"""From a run directory to its result: the same way for a run just ended and for one of last year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.judge.answers.scaling import scaling
from harness.judge.simulation_result import read_simulation
from harness.judge.summarise import summarise_run

if TYPE_CHECKING:
    from harness.judge.metrics import RunResult
    from harness.record.run_dir import RunDir, RunRecord


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
