"""Cuts a prepared model into stages on first use; afterwards finds them in the cache."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.wire.payload_bank import FREE, Bank
from targets.models.cache import CacheEntry
from targets.models.catalog import find_recipe
from targets.models.maker_process import run_maker
from targets.models.preparation import say
from targets.pipeline.cut import Cut, stage_path

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.plan.target_spec import Progress
    from targets.models.preparation import PreparedModel

FORMAT = 3  # raise it when cutting changes


@dataclass(frozen=True, slots=True)
class ModelStage:
    """One part of a model: its Keras file, and the shapes of one input row and one output row."""

    path: Path
    input_shape: tuple[int, ...]  # -1 for a free axis
    output_shape: tuple[int, ...]
    input_dtype: str = "<f4"
    example_length: int = 1  # a legal size of the free axis
    longest: int = 1  # the largest size of the free axis

    def sample_batch(self, rows: int) -> NDArray[Any]:
        """Zeros (rows, *input_shape)."""
        shape = (self.example_length if size == FREE else size for size in self.input_shape)
        return np.zeros((rows, *shape), self.input_dtype)

    @property
    def width(self) -> int:
        """The maximum numbers per row of input or output."""
        shapes = (self.input_shape, self.output_shape)
        return max(prod(self.longest if size == FREE else size for size in shape) for shape in shapes)


def stages_of(prepared: PreparedModel, count: int, progress: Progress) -> tuple[ModelStage, ...]:
    """Cut `prepared` into `count` stages; one stage is the model itself. Raises UserError where it cannot be cut."""
    spec, meta = find_recipe(prepared.card.name).pipeline.ready, Bank.load(prepared.bank_path).meta
    shapes: tuple[tuple[int, ...], ...] = (spec.shape, meta.output_shape)
    paths: tuple[Path, ...] = (prepared.path,)
    if count > 1:
        folder = cut_folder(prepared, count, progress)
        shapes, paths = read_cut(folder).shapes, tuple(stage_path(folder, stage) for stage in range(count))
    example_length, longest = spec.padded_length(spec.shortest), spec.padded_length(spec.longest)
    dtypes = (spec.dtype, *("<f4" for _ in paths[1:]))
    return tuple(
        ModelStage(path, *ends, dtype, example_length, longest)
        for path, ends, dtype in zip(paths, pairwise(shapes), dtypes, strict=True)
    )


def cut_folder(prepared: PreparedModel, count: int, progress: Progress) -> Path:
    """The folder with the stages of `prepared` and `cut.json`, made on first use."""
    entry = CacheEntry(f"{prepared.path.parent.name}-in-{count}-stages-{FORMAT}", say=say)
    return entry.ensure(lambda partial: _make(prepared, count, partial, progress))


def measured_pieces(prepared: PreparedModel) -> tuple[float, ...]:
    """The times of the model's smallest parts, in ms; empty where it was never cut on this machine."""
    pattern = f"{prepared.path.parent.name}-in-*-stages-{FORMAT}/cut.json"
    for path in sorted(prepared.path.parent.parent.glob(pattern)):
        return read_cut(path.parent).piece_ms
    return ()


def read_cut(folder: Path) -> Cut:
    """Read `cut.json`."""
    return msgspec.json.decode((folder / "cut.json").read_bytes(), type=Cut)


def _make(prepared: PreparedModel, count: int, folder: Path, progress: Progress) -> None:
    stage = f"cutting {prepared.card.name} into {count} stages"
    progress(stage, 0, 1)
    words = ["targets.pipeline.cut", prepared.card.name, str(count), str(folder)]
    run_maker(stage, words, progress)
    progress(stage, 1, 1)
