"""From a language model's name to files on disk: trained the first time, found afterwards."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.errors import RunError
from harness.judge.metrics import ModelCard
from targets.generation.recipe import RECIPES
from targets.generation.text import corpus_files, require_packages
from targets.models.cache import CacheEntry
from targets.models.preparation import PreparedModel, say

if TYPE_CHECKING:
    from harness.plan.target_spec import Progress
    from targets.generation.recipe import ChatRecipe

LIBRARIES = ("keras", "numpy", "sentencepiece")
SOURCES = ("recipe.py", "text.py", "train.py", "keras_model.py", "language_model.py", "dense.py", "generate.py")


def prepare_chat(model_name: str, progress: Progress) -> PreparedModel:
    """Train `model_name` if this machine has not done so yet; `path` is the folder with all its files.

    Nothing heavy is imported where the files are there. Raises UserError (packages, disk) or RunError (training).
    """
    require_packages()
    recipe = RECIPES[model_name]
    fingerprint = _fingerprint(recipe)
    entry = CacheEntry(f"{recipe.name}-{fingerprint}", say=say)
    folder = entry.ensure(lambda partial: _make(recipe, fingerprint, partial, progress))
    card = msgspec.json.decode((folder / "card.json").read_bytes(), type=ModelCard)
    return PreparedModel(folder, card, folder / "prompts.json")


def _make(recipe: ChatRecipe, fingerprint: str, folder: Path, progress: Progress) -> None:
    command = [sys.executable, "-m", "targets.generation.train", recipe.name, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as training:
        for line in training.stdout or ():
            progress(*json.loads(line))
    if training.returncode:
        raise RunError(f"training {recipe.name} failed with exit code {training.returncode}; its own words are above")
    card_file = folder / "card.json"
    card = msgspec.json.decode(card_file.read_bytes(), type=ModelCard)
    card = msgspec.structs.replace(card, hash=fingerprint, engine="onnx")
    card_file.write_bytes(msgspec.json.format(msgspec.json.encode(card)))


def _fingerprint(recipe: ChatRecipe) -> str:
    """A hash of what decides weights and answers: the recipe and the code, the text, the libraries."""
    made_of = hashlib.sha256()
    for file in (*(Path(__file__).parent / name for name in SOURCES), *corpus_files()):
        made_of.update(hashlib.sha256(file.read_bytes()).digest())
    made_of.update(" ".join(f"{name} {version(name)}" for name in LIBRARIES).encode())
    made_of.update(f" seed {recipe.seed}".encode())
    return made_of.hexdigest()[:12]
