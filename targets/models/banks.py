"""The banks of a model: its held-out items in each form in which a client may send them, with the right answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.bank import Bank

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from targets.data.source import Examples
    from targets.models.recipe import Recipe
    from targets.preprocessing.pipeline import Pipeline

READY = "bank.npz"  # items as the model takes them
RAW = "raw.npz"  # items as the data set has them


def save_banks(
    recipe: Recipe, pipeline: Pipeline, examples: Examples, answers: NDArray[np.float32], folder: Path
) -> None:
    """Write both banks of the held-out items into `folder`."""
    ready_meta = pipeline.ready.meta(recipe.name, recipe.output_shape)
    raw_meta = pipeline.raw.meta(recipe.name, recipe.output_shape)
    labels = examples.test_labels
    Bank(ready_meta, pipeline.prepare(examples.test), labels, answers).save(folder / READY)
    Bank(raw_meta, examples.test, labels, answers).save(folder / RAW)
