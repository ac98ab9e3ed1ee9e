"""Computes the expected attributions of a model's payloads on first use; afterwards finds them in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import UserError
from targets.explain import OFF
from targets.models.cache import CacheEntry
from targets.models.catalog import find_recipe
from targets.models.maker_process import run_maker
from targets.models.preparation import say

if TYPE_CHECKING:
    from pathlib import Path

    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress
    from targets.models.preparation import PreparedModel

BANK = "bank.npz"


def explain_bank(prepared: PreparedModel, setting: Setting, progress: Progress) -> Path | None:
    """The bank of payloads and attributions; None where explanations are off. Raises UserError, RunError."""
    method, steps = str(setting.get("explain_method", OFF)), str(setting.get("explain_steps", ""))
    if method == OFF:
        return None
    card = prepared.card
    spec = find_recipe(card.name).pipeline.ready
    if spec.ragged or spec.datatype != "FP32":
        raise UserError(
            f"explain_method={method}: works for models with float inputs of one shape, not for {card.name}"
        )

    def make(folder: Path) -> None:
        progress(f"explaining the payloads of {card.name}", 0, 1)
        words = [str(prepared.path), str(prepared.bank_path), method, steps, str(folder / BANK)]
        run_maker(f"explaining {card.name}", ["targets.explain.reference", *words], progress)

    return CacheEntry(f"explain-{card.name}-{card.hash}-{method}-{steps}", say=say).ensure(make) / BANK
