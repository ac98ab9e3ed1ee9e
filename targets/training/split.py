"""Splits the data of a recipe into training, validation and test examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.payload_bank import Items
    from targets.models.recipe import Recipe

SPLIT_SEED = 11  # the validation examples are the same in every fit, whatever its seed and settings


@dataclass(frozen=True, slots=True)
class FitExamples:
    """Model inputs (n, *input_shape), padded where lengths differ, and classes (n,) int64."""

    inputs: NDArray[Any]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class TrainingSplit:
    """Three disjoint sets with the same class shares."""

    train: FitExamples
    validation: FitExamples
    test: FitExamples


def split_of(recipe: Recipe, validation_share: float) -> TrainingSplit:
    """Load and preprocess the recipe's data; `validation_share` of its training examples becomes the validation set.

    Raises UserError where either set would have fewer examples than there are classes.
    """
    from sklearn.model_selection import train_test_split

    data = recipe.data.load()
    count, classes = len(data.train_labels), len(recipe.data.classes)
    if not classes <= validation_share * count <= count - classes:
        raise UserError(f"validation_share={validation_share:g}: leaves fewer examples than the {classes} classes")
    train_inputs, validation_inputs, train_labels, validation_labels = train_test_split(
        _ready(recipe, data.train),
        data.train_labels,
        test_size=validation_share,
        stratify=data.train_labels,
        random_state=SPLIT_SEED,
    )
    return TrainingSplit(
        train=FitExamples(train_inputs, train_labels),
        validation=FitExamples(validation_inputs, validation_labels),
        test=FitExamples(_ready(recipe, data.test), data.test_labels),
    )


def _ready(recipe: Recipe, items: Items) -> NDArray[Any]:
    return recipe.pipeline.ready.stack(recipe.pipeline.prepare(items))
