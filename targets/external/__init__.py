"""Recipes of external servers: a folder each, with `recipe.toml` and the files that the server needs."""

from __future__ import annotations

from pathlib import Path

from harness.plan.server_recipe import load_recipe
from harness.plan.target_spec import RecipeTarget


def shipped() -> tuple[RecipeTarget, ...]:
    """A target for each recipe in this folder, sorted by name."""
    return tuple(RecipeTarget(load_recipe(path)) for path in sorted(Path(__file__).parent.glob("*/recipe.toml")))
