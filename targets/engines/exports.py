"""Exported forms of a Keras model (ONNX, LiteRT, ...), made once and kept beside the cached model."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from targets.engines.quiet_import import import_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import keras

EXAMPLE_LENGTH = 1000  # of a free axis


MODEL_STEM = "model"


def exported(path: Path, suffix: str, export: Callable[[keras.Model, Path], None]) -> Path:
    """`<model>.<suffix>` in the `exports` folder beside the model's own, made by `export` where it is missing.

    Written under another name first, so that two processes and a killed one do no harm. The model's folder name
    holds a hash of what made it, so an export never outlives its model.
    """
    part = "" if path.stem == MODEL_STEM else f".{path.stem}"  # a folder may hold a model's stages
    found = exports_of(path) / f"{path.parent.name}{part}.{suffix}"
    return _made(found, lambda partial: export(load_keras(path), partial))


def exports_of(path: Path) -> Path:
    """The folder for all that is made from the model in the file `path`."""
    folder = path.parent.parent.parent / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def converted(export: Path, suffix: str, convert: Callable[[Path], None]) -> Path:
    """An export converted further: `<name>.<suffix>` beside it in place of its own last suffix."""
    return _made(export.with_suffix(f".{suffix}"), convert)


def _made(found: Path, make: Callable[[Path], None]) -> Path:
    if not found.exists():
        partial = found.with_name(f".{os.getpid()}.{found.name}")
        make(partial)
        partial.replace(found)
    return found


def load_keras(path: Path) -> keras.Model:
    """The Keras model, called once so that every exporter knows its shapes."""
    import_tensorflow()
    import keras
    import numpy as np

    model = keras.models.load_model(path, compile=False)
    shape = (EXAMPLE_LENGTH if size is None else size for size in model.input_shape[1:])
    model(np.zeros((1, *shape), model.inputs[0].dtype))
    return model
