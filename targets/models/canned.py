"""The payload bank of `null` and `fixed`: seeded inputs of a model's shape, and one canned prediction for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.record.model_card import ModelCard
from harness.wire.payload_bank import Bank
from targets.models.cache import CacheEntry
from targets.models.catalog import find_recipe
from targets.models.preparation import PreparedModel, say

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from targets.models.recipe import Recipe

PAYLOADS = 256
SEED = 7
FORMAT = 1  # raise it when the bank's content changes


def prepare_canned(model_name: str) -> PreparedModel:
    """A bank for `model_name` that expects `canned_row` for every input. Raises UserError (unknown model, disk)."""
    recipe = find_recipe(model_name)
    folder = CacheEntry(f"canned-{recipe.name}-{FORMAT}", say).ensure(lambda partial: _make(recipe, partial))
    card = ModelCard(name=recipe.name, data=f"none: {PAYLOADS} seeded inputs, one canned prediction", engine="none")
    return PreparedModel(folder / "bank.npz", card, folder / "bank.npz")


def canned_row(output_shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A probability distribution of `output_shape` in which all values differ."""
    import numpy as np

    values = np.arange(1, 1 + int(np.prod(output_shape)), dtype=np.float32)
    row: NDArray[np.float32] = (values / values.sum()).reshape(output_shape)
    return row


def _make(recipe: Recipe, folder: Path) -> None:
    import numpy as np

    spec = recipe.pipeline.ready
    inputs = spec.random_items(np.random.default_rng(SEED), PAYLOADS)
    expected = np.tile(canned_row(recipe.output_shape), (PAYLOADS, *(1 for _ in recipe.output_shape)))
    meta = spec.meta(recipe.name, recipe.output_shape)
    Bank(meta, inputs, np.zeros(0, np.int64), expected).save(folder / "bank.npz")
