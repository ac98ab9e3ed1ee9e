"""Opens the run in a folder, whatever kind of run it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.cli.parts.plan_request import refuse_beside_resume, was_given
from harness.cli.parts.serving_run import ServingRun
from harness.cli.parts.training_run import TrainingRun
from harness.record.run_folder import kind_of

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cli.parts.run_frame import RunFrame


def open_run(path: Path, flag: str) -> RunFrame[Any]:
    """The run in the folder at `path`, which the user gave with `flag`. Raises UserError where there is none."""
    kind = TrainingRun if kind_of(path) == TrainingRun.folder_type.kind else ServingRun
    return kind.open(path, flag)


def resume_run(path: Path, *, budget_s: float, as_json: bool) -> int:
    """Go on with the run in `--resume` DIR, until `budget_s` is spent where the user gave it. Returns the exit code."""
    refuse_beside_resume()
    run = open_run(path, "--resume")
    if was_given("budget"):
        run.set_budget(budget_s)
    return run.resume(as_json=as_json)
