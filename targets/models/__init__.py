"""The reference models, by name. Importing this imports no deep-learning library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import unknown_name
from targets.models.recipes import (
    deep_mlp,
    digits_cnn,
    digits_mlp,
    fashion_cnn,
    fashion_deep,
    fashion_mlp,
    speech,
    text,
    wide_mlp,
)

if TYPE_CHECKING:
    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress
    from targets.models.preparation import PreparedModel
    from targets.models.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        digits_mlp.RECIPE,
        digits_cnn.RECIPE,
        wide_mlp.RECIPE,
        deep_mlp.RECIPE,
        fashion_mlp.RECIPE,
        fashion_cnn.RECIPE,
        fashion_deep.RECIPE,
        speech.SMALL,
        speech.LARGE,
        text.SMALL,
        text.LARGE,
    )
}


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`. Raises UserError that names the nearest."""
    if name not in RECIPES:
        raise unknown_name("model", name, RECIPES)
    return RECIPES[name]


def prepare(model_name: str, progress: Progress) -> PreparedModel:
    """Train `model_name` if this machine has not done so yet. Raises UserError (unknown model, disk) or RunError."""
    from targets.generation import RECIPES as CHAT_RECIPES
    from targets.models import preparation

    if model_name in CHAT_RECIPES:
        from targets.generation.preparation import prepare_chat

        return prepare_chat(model_name, progress)
    return preparation.prepare(model_name, progress)


def prepare_served(model_name: str, setting: Setting, progress: Progress) -> PreparedModel:
    """The same as `setting` wants it preprocessed. Raises UserError (unknown model, steps, disk) or RunError."""
    from targets.models.variants import as_preprocessed
    from targets.preprocessing.place import preprocessing_of

    prepared = prepare(model_name, progress)
    if model_name not in RECIPES:
        return prepared
    return as_preprocessed(prepared, preprocessing_of(find_recipe(model_name).pipeline, setting), progress)
