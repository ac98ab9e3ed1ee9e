"""The bank of right attributions of a prepared model: worked out the first time, found afterwards."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from harness.errors import RunError, UserError
from targets.explain import OFF
from targets.models.cache import CacheEntry
from targets.models.catalog import find_recipe
from targets.models.preparation import say

if TYPE_CHECKING:
    from pathlib import Path

    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress
    from targets.models.preparation import PreparedModel

BANK = "bank.npz"


def explain_bank(prepared: PreparedModel, setting: Setting, progress: Progress) -> Path | None:
    """The file of payloads and attributions; None where `setting` explains nothing. Raises UserError, RunError."""
    method, steps = str(setting.get("explain_method", OFF)), str(setting.get("explain_steps", ""))
    if method == OFF:
        return None
    card = prepared.card
    form = find_recipe(card.name).pipeline.ready
    if form.ragged or form.datatype != "FP32":
        raise UserError(
            f"explain_method={method}: only of models whose input is numbers of one shape, not of {card.name}"
        )

    def make(folder: Path) -> None:
        progress(f"explaining the payloads of {card.name}", 0, 1)
        words = [str(prepared.path), str(prepared.bank_path), method, steps, str(folder / BANK)]
        done = subprocess.run([sys.executable, "-m", "targets.explain.reference", *words], check=False)
        if done.returncode:
            raise RunError(f"explaining {card.name} failed with exit code {done.returncode}; its own words are above")

    return CacheEntry(f"explain-{card.name}-{card.hash}-{method}-{steps}", say=say).ensure(make) / BANK
