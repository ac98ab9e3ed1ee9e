"""Trains a language model on first use; afterwards finds its files in the cache."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from targets.generation.recipe import RECIPES
from targets.generation.text import corpus_files, require_packages
from targets.models.cache import sha256_of
from targets.models.fingerprint import fingerprint
from targets.models.preparation import PreparedModel, trained

if TYPE_CHECKING:
    from harness.plan.target_spec import Progress
    from targets.generation.recipe import ChatRecipe

LIBRARIES = ("keras", "numpy", "sentencepiece")
SOURCES = ("recipe.py", "text.py", "train.py", "keras_model.py", "language_model.py", "dense.py", "generate.py")


def prepare_chat(model_name: str, progress: Progress) -> PreparedModel:
    """Train `model_name` if this machine has not done so yet. `path` of the result is the folder with all its files.

    Imports no deep-learning library where the files exist. Raises UserError (packages, disk) or RunError (training).
    """
    require_packages()
    recipe = RECIPES[model_name]
    folder, card = trained(recipe.name, _fingerprint(recipe), "targets.generation.train", progress)
    return PreparedModel(folder, card, folder / "prompts.json")


def _fingerprint(recipe: ChatRecipe) -> str:
    """Hash what decides weights and responses: the code, the text, the libraries."""
    code = (Path(__file__).parent / name for name in SOURCES)
    text = (sha256_of(file) for file in corpus_files())
    libraries = (f"{name} {version(name)}" for name in LIBRARIES)
    return fingerprint(code, *text, *libraries, f"seed {recipe.seed}")
