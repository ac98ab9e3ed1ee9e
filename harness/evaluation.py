"""From a run directory to its result: the same way for a run just ended and for one of last year."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.summary import summarise_run

if TYPE_CHECKING:
    from harness.metrics import RunResult
    from harness.store import RunDir, RunRecord


def evaluate(run_dir: RunDir, record: RunRecord) -> RunResult:
    """Judge everything that the folder holds; what it lacks is named in `missing`."""
    evidence = list(run_dir.evidence(record.plan))
    result = summarise_run(record.plan, evidence)
    left = sum(1 for _ in run_dir.unfinished(record.plan))
    missing = (f"{left} of {len(record.plan.trials)} trials did not finish",) if left else ()
    return msgspec.structs.replace(result, model=record.model, missing=(*result.missing, *missing))
