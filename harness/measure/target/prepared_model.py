"""Prepares a reference model in a child process, so that this process imports no deep-learning library."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.errors import RunError, UserError
from harness.system.child_process import run_to_end

PREPARE_TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The files of a reference model: its payload bank, and the model itself where a format was requested."""

    bank: Path
    file: Path | None = None


def prepare_bank(model: str) -> Path:
    """The payload bank of `model`, trained first where the cache does not have it.

    Raises UserError for an unknown model, RunError where training fails.
    """
    return prepare_model(model).bank


def prepare_model(model: str, form: str = "") -> ModelFiles:
    """`model` with its bank, and as a file in `form` ("keras", "onnx"). Raises as `prepare_bank`."""
    argv = [sys.executable, "-m", "harness", "prepare", model, "--json", *(("--format", form) if form else ())]
    try:
        done = run_to_end(argv, PREPARE_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise RunError(f"preparing {model} took over {PREPARE_TIMEOUT_S:.0f} s and was stopped") from error
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1].removeprefix("error: ")
        raise UserError(last) if done.returncode == 2 else RunError(f"preparing {model} failed: {last}")
    found = json.loads(done.stdout)
    return ModelFiles(Path(found["bank"]), Path(found["file"]) if form else None)
