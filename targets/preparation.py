"""Prepares a model by its name, whichever kind it is. Importing this imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.generation.preparation import prepare_chat
from targets.generation.recipe import RECIPES as CHAT_RECIPES
from targets.models.catalog import RECIPES, find_recipe
from targets.models.preparation import prepare_reference
from targets.models.variants import as_preprocessed
from targets.preprocessing.place import preprocessing_of

if TYPE_CHECKING:
    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress
    from targets.models.preparation import PreparedModel


def prepare(model_name: str, progress: Progress) -> PreparedModel:
    """Train `model_name` if this machine has not done so yet. Raises UserError (unknown model, disk) or RunError."""
    if model_name in CHAT_RECIPES:
        return prepare_chat(model_name, progress)
    return prepare_reference(model_name, progress)


def prepare_served(model_name: str, setting: Setting, progress: Progress) -> PreparedModel:
    """Prepare `model_name`, preprocessed as `setting` asks. Raises UserError (also for unknown steps) or RunError."""
    prepared = prepare(model_name, progress)
    if model_name not in RECIPES:
        return prepared
    return as_preprocessed(prepared, preprocessing_of(find_recipe(model_name).pipeline, setting), progress)


def no_progress(stage: str, done: int, total: int) -> None:
    """Report no progress."""
    del stage, done, total
