"""Opens the run in a folder, whatever kind of run it is."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from harness.cli.parts.command_line import headers_again, headers_in
from harness.cli.parts.plan_request import refuse_beside_resume, refuse_options, was_given
from harness.cli.parts.serving_run import ServingRun
from harness.cli.parts.training_run import TrainingRun
from harness.errors import UserError
from harness.record.run_folder import kind_of
from harness.system.named_secrets import with_named_secrets
from harness.wire.credentials import own_headers

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cli.parts.run_frame import RunFrame

OF_REQUESTS = ("token_file", "tls_ca", "header")


def open_run(path: Path, flag: str) -> RunFrame[Any]:
    """The run in the folder at `path`, which the user gave with `flag`. Raises UserError where there is none."""
    kind = TrainingRun if kind_of(path) == TrainingRun.folder_type.kind else ServingRun
    return kind.open(path, flag)


def resume_run(path: Path, *, budget_s: float | None = None, as_json: bool) -> int:
    """Go on with the run in `--resume` DIR, until `budget_s` is spent where the user gave it. Returns the exit code.

    Raises UserError for any other option that would have no effect on the run.
    """
    refuse_beside_resume()
    run = open_run(path, "--resume")
    if isinstance(run, TrainingRun):
        refuse_options(OF_REQUESTS, f"the run in {path} trains, and sends no request")
    else:
        _require_secrets(run)
    if budget_s is not None and was_given("budget"):
        run.set_budget(budget_s)
    return run.resume(as_json=as_json)


def _require_secrets(run: RunFrame[Any]) -> None:
    """Raise UserError where the run began with secrets that are not given again: their values are not stored."""
    line = run.folder.read().command_line
    with_named_secrets(line)
    words = shlex.split(line)
    known = {name.lower() for name, _ in own_headers()}
    if any(header.partition(":")[0].strip().lower() not in known for header in headers_in(words)):
        raise UserError(f"--resume: the values of its headers are not stored; give again{headers_again(words)}")
