"""Prepares a model by its name, whichever kind it is. Importing this imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.plan.target_spec import is_model_file
from targets.generation.preparation import prepare_chat
from targets.generation.recipe import RECIPES as CHAT_RECIPES
from targets.models.catalog import RECIPES, find_recipe
from targets.models.own.own_file import BANK, own_card, own_folder
from targets.models.preparation import PreparedModel, prepare_reference
from targets.models.variants import as_preprocessed
from targets.preprocessing.place import preprocessing_of

if TYPE_CHECKING:
    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress


def prepare(model_name: str, progress: Progress) -> PreparedModel:
    """Train `model_name` if this machine has not done so yet, or read the file that it names.

    Raises UserError (unknown model, a file that cannot be served, disk) or RunError.
    """
    if model_name in CHAT_RECIPES:
        return prepare_chat(model_name, progress)
    if is_model_file(model_name):
        folder = own_folder(model_name, progress)
        card = own_card(model_name, folder)
        return PreparedModel(folder / f"model{Path(model_name).suffix}", card, folder / BANK)
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
