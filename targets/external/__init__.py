"""Servers that are not ours, by recipe: a folder each, with `recipe.toml` and what the server needs to run."""

from __future__ import annotations

from pathlib import Path

from harness.plan.server_recipe import load_recipe
from harness.plan.target_spec import RecipeTarget


def shipped() -> tuple[RecipeTarget, ...]:
    """A target for each recipe in this folder, by name."""
    return tuple(RecipeTarget(load_recipe(path)) for path in sorted(Path(__file__).parent.glob("*/recipe.toml")))
