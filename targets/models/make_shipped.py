"""Makes the model files that the package brings with it anew. It needs TensorFlow.

python -m targets.models.make_shipped
"""

from __future__ import annotations

import shutil

import numpy as np

from targets.engines.exports import exported
from targets.engines.onnx import export_onnx
from targets.models.preparation import prepare_reference
from targets.models.shipped import BANK, CARD, FILES, MODEL, SHIPPED


def make_files() -> None:
    """Train each shipped model, if the cache does not have it, and write its files into the package."""
    for name in SHIPPED:
        prepared = prepare_reference(name, lambda *_: None)
        folder = FILES / name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(exported(prepared.path, "onnx", export_onnx), folder / MODEL)
        shutil.copyfile(prepared.path.with_name(CARD), folder / CARD)
        with np.load(prepared.bank_path, allow_pickle=False) as parts:
            np.savez_compressed(folder / BANK, allow_pickle=False, **parts)


if __name__ == "__main__":
    make_files()
