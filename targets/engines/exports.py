"""Exports of a Keras model (ONNX, LiteRT, ...), made on first use and kept next to the cached model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.files import replacing
from targets.engines.quiet_import import import_tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import keras

EXAMPLE_LENGTH = 1000  # the size of a free axis


MODEL_STEM = "model"


def exported(path: Path, suffix: str, export: Callable[[keras.Model, Path], None]) -> Path:
    """The path of `<model>.<suffix>` in the `exports` folder next to the model's folder; `export` makes a missing file.

    A model that has that form already is its own export.

    The file is written under another name and then renamed, so that concurrent or killed processes leave no partial
    file. The name of the model's folder holds a hash of its code, so an export never outlives its model.
    """
    if path.suffix == f".{suffix}":
        return path
    part = "" if path.stem == MODEL_STEM else f".{path.stem}"  # a folder may hold the stages of a model
    found = exports_of(path) / f"{path.parent.name}{part}.{suffix}"
    return _made(found, lambda partial: export(load_keras(path), partial))


def exports_of(path: Path) -> Path:
    """The folder for files derived from the model at `path`."""
    folder = path.parent.parent.parent / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def converted(export: Path, suffix: str, convert: Callable[[Path], None]) -> Path:
    """The path of `export` with its last suffix replaced by `suffix`; `convert` makes a missing file."""
    return _made(export.with_suffix(f".{suffix}"), convert)


def _made(found: Path, make: Callable[[Path], None]) -> Path:
    if not found.exists():
        with replacing(found) as partial:
            make(partial)
    return found


def load_keras(path: Path) -> keras.Model:
    """Load a Keras model and call it once, so that every exporter knows its shapes."""
    import_tensorflow()
    import keras
    import numpy as np

    model = keras.models.load_model(path, compile=False)
    shape = (EXAMPLE_LENGTH if size is None else size for size in model.input_shape[1:])
    model(np.zeros((1, *shape), model.inputs[0].dtype))
    return model
