"""Trains a reference model on first use; afterwards finds its files in the cache."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.record.model_card import ModelCard
from targets.engines.quiet_import import has_tensorflow
from targets.models.cache import CacheEntry
from targets.models.catalog import find_recipe
from targets.models.fingerprint import fingerprint
from targets.models.maker_process import run_maker
from targets.models.shipped import BANK, MODEL, shipped_model

if TYPE_CHECKING:
    from harness.plan.target_spec import Progress
    from targets.models.recipe import Recipe

CARD = "card.json"
READY = "bank.npz"  # the held-out items as the model takes them


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A trained model: its Keras file (ONNX for a shipped one), its card, and the bank with its offline predictions."""

    path: Path
    card: ModelCard
    bank_path: Path


def prepare_reference(model_name: str, progress: Progress) -> PreparedModel:
    """Train `model_name` if this machine has not done so yet; without TensorFlow, take the one in the package.

    Imports no deep-learning library where the files exist. Raises UserError (unknown model, missing or corrupt data,
    no TensorFlow, disk) or RunError (training).
    """
    recipe = find_recipe(model_name)
    if not has_tensorflow():
        folder = shipped_model(recipe.name)
        return PreparedModel(folder / MODEL, _card(folder), folder / BANK)
    folder, card = trained(recipe.name, _fingerprint(recipe), "targets.models.train", progress)
    return PreparedModel(folder / "model.keras", card, folder / READY)


def trained(name: str, code_hash: str, module: str, progress: Progress) -> tuple[Path, ModelCard]:
    """The folder and the card of a model, made on first use by `python -m MODULE NAME FOLDER`."""

    def make(partial: Path) -> None:
        run_maker(f"training {name}", [module, name, str(partial)], progress)
        card = msgspec.structs.replace(_card(partial), hash=code_hash)
        (partial / CARD).write_bytes(msgspec.json.format(msgspec.json.encode(card)))

    folder = CacheEntry(f"{name}-{code_hash}", say=say).ensure(make)
    return folder, _card(folder)


def _card(folder: Path) -> ModelCard:
    return msgspec.json.decode((folder / CARD).read_bytes(), type=ModelCard)


def _fingerprint(recipe: Recipe) -> str:
    """Hash what decides the weights: the code of recipe, training, data and preprocessing, data files, libraries."""
    here = Path(__file__).parent
    shared = tuple(here / name for name in ("train.py", "offline.py"))
    uses = (
        getattr(recipe.build, "func", recipe.build),
        recipe.data.load,
        *(step.apply for step in recipe.pipeline.steps),
    )
    modules = dict.fromkeys(Path(str(sys.modules[function.__module__].__file__)) for function in uses)
    # Reading hundreds of megabytes of data would take longer than everything else: size and time stand for the content.
    data = [f"{file.name} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in recipe.data.files()]
    libraries = f"keras {version('keras')} numpy {version('numpy')} seed {recipe.seed}"
    return fingerprint((*modules, *shared), *data, libraries)


def say(line: str) -> None:
    """Print one line to standard error; standard output belongs to results."""
    print(line, file=sys.stderr, flush=True)
