"""The registry of the reference models. Importing it imports no deep-learning library.

A new model is one module in `recipes/` and one entry in `RECIPES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import unknown_name
from harness.plan.target_spec import is_model_file
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
    """The recipe called `name`, or that of the model in a file. Raises UserError that names the most similar model."""
    if is_model_file(name):
        from targets.models.own.own_file import own_recipe

        return own_recipe(name)
    if name not in RECIPES:
        raise unknown_name("model", name, RECIPES)
    return RECIPES[name]
