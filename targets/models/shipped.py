"""Reference models that the package brings with it, for machines without TensorFlow; `make_shipped.py` makes them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from targets.engines.quiet_import import require_tensorflow
from targets.models.cache import CacheEntry, sha256_of

FILES = Path(__file__).parent / "files"
MODEL, BANK, CARD = "model.onnx", "bank.npz", "card.json"
SHIPPED = ("digits-mlp",)


def shipped_model(name: str) -> Path:
    """A folder in the cache with the model as ONNX, its bank and its card. Raises UserError where it is not shipped."""
    source = FILES / name
    if name not in SHIPPED:
        require_tensorflow(f"training {name}")

    def copy(folder: Path) -> None:
        for file in (MODEL, BANK, CARD):
            shutil.copyfile(source / file, folder / file)

    content = sha256_of(source / MODEL)[:12]  # another release may bring other weights
    return CacheEntry(f"{name}-shipped-{content}", say=lambda line: print(line, file=sys.stderr)).ensure(copy)
