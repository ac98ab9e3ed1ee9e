"""Exported forms of a Keras model (ONNX, LiteRT, ...), made once and kept beside the cached model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from targets.engines.quiet import import_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import keras


def exported(path: Path, suffix: str, export: Callable[[keras.Model, Path], None]) -> Path:
    """`<model>.<suffix>` in the `exports` folder beside the model's own, made by `export` where it is missing.

    Written under another name first, so that two processes and a killed one do no harm. The model's folder name
    holds a hash of what made it, so an export never outlives its model.
    """
    folder = path.parent.parent.parent / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    found = folder / f"{path.parent.name}.{suffix}"
    if not found.exists():
        partial = found.with_name(f".{found.name}.{os.getpid()}")
        export(load_keras(path), partial)
        partial.replace(found)
    return found


def load_keras(path: Path) -> keras.Model:
    """The Keras model, called once so that every exporter knows its shapes."""
    import_tensorflow()
    import keras
    import numpy as np

    model = keras.models.load_model(path, compile=False)
    model(np.zeros((1, *model.input_shape[1:]), np.float32))
    return model
