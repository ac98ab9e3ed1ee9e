"""From a model's name to files on disk: trained the first time, found afterwards."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.judge.metrics import ModelCard
from targets.models.cache import CacheEntry
from targets.models.catalog import find_recipe
from targets.models.making import run_maker

if TYPE_CHECKING:
    from harness.plan.target_spec import Progress
    from targets.models.recipe import Recipe

READY = "bank.npz"  # the held-out items as the model takes them


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A trained model: its Keras file, its card, and the bank of payloads with its own answers."""

    path: Path
    card: ModelCard
    bank_path: Path


def prepare_reference(model_name: str, progress: Progress) -> PreparedModel:
    """Train `model_name` if this machine has not done so yet.

    Nothing heavy is imported where the files are there. Raises UserError (unknown model, missing or corrupt data, disk)
    or RunError (training).
    """
    recipe = find_recipe(model_name)
    fingerprint = _fingerprint(recipe)
    entry = CacheEntry(f"{recipe.name}-{fingerprint}", say=say)
    folder = entry.ensure(lambda partial: _make(recipe, fingerprint, partial, progress))
    card = msgspec.json.decode((folder / "card.json").read_bytes(), type=ModelCard)
    return PreparedModel(folder / "model.keras", card, folder / READY)


def _make(recipe: Recipe, fingerprint: str, folder: Path, progress: Progress) -> None:
    run_maker(f"training {recipe.name}", ["targets.models.train", recipe.name, str(folder)], progress)
    card_file = folder / "card.json"
    card = msgspec.json.decode(card_file.read_bytes(), type=ModelCard)
    card_file.write_bytes(msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(card, hash=fingerprint))))


def _fingerprint(recipe: Recipe) -> str:
    """A hash of what decides the weights: recipe, training code, data and preprocessing, data files, libraries."""
    here = Path(__file__).parent
    shared = tuple(here / name for name in ("train.py", "offline.py"))
    uses = (
        getattr(recipe.build, "func", recipe.build),
        recipe.data.load,
        *(step.apply for step in recipe.pipeline.steps),
    )
    modules = dict.fromkeys(Path(str(sys.modules[function.__module__].__file__)) for function in uses)
    made_of = hashlib.sha256()
    for file in (*modules, *shared):
        made_of.update(hashlib.sha256(file.read_bytes()).digest())
    for file in recipe.data.files():
        found = file.stat()  # the content of hundreds of megabytes would take longer to read than all else takes
        made_of.update(f"{file.name} {found.st_size} {found.st_mtime_ns}".encode())
    made_of.update(f"keras {version('keras')} numpy {version('numpy')} seed {recipe.seed}".encode())
    return made_of.hexdigest()[:12]


def say(line: str) -> None:
    """Tell the user one line, beside the answers on standard output."""
    print(line, file=sys.stderr, flush=True)
