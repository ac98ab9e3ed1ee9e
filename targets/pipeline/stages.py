"""The stages of a prepared model: cut the first time, found afterwards."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.errors import ExitCode, RunError, UserError
from harness.wire.payload_bank import FREE, Bank
from targets.models.cache import CacheEntry
from targets.models.catalog import find_recipe
from targets.models.preparation import say
from targets.pipeline.cut import Cut, stage_path

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.plan.target_spec import Progress
    from targets.models.preparation import PreparedModel

FORMAT = 3  # raise it when cutting changes


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a model: its Keras file, and the forms of one row that goes in and comes out."""

    path: Path
    input_shape: tuple[int, ...]  # -1 where it is free
    output_shape: tuple[int, ...]
    input_dtype: str = "<f4"
    example_length: int = 1  # a legal size of the free axis
    longest: int = 1  # the most of it

    def sample_batch(self, rows: int) -> NDArray[Any]:
        """Zeros that the stage takes."""
        shape = (self.example_length if size == FREE else size for size in self.input_shape)
        return np.zeros((rows, *shape), self.input_dtype)

    @property
    def width(self) -> int:
        """The most numbers that one row of input or output has."""
        shapes = (self.input_shape, self.output_shape)
        return max(prod(self.longest if size == FREE else size for size in shape) for shape in shapes)


def stages_of(prepared: PreparedModel, count: int, progress: Progress) -> tuple[Stage, ...]:
    """`prepared` in `count` stages; one: the model as it is. Raises UserError where it cannot be cut so."""
    form, meta = find_recipe(prepared.card.name).pipeline.ready, Bank.load(prepared.bank_path).meta
    shapes: tuple[tuple[int, ...], ...] = (form.shape, meta.output_shape)
    paths: tuple[Path, ...] = (prepared.path,)
    if count > 1:
        folder = cut_folder(prepared, count, progress)
        shapes, paths = read_cut(folder).shapes, tuple(stage_path(folder, stage) for stage in range(count))
    example_length, longest = form.padded_length(form.shortest), form.padded_length(form.longest)
    dtypes = (form.dtype, *("<f4" for _ in paths[1:]))
    return tuple(
        Stage(path, *ends, dtype, example_length, longest)
        for path, ends, dtype in zip(paths, pairwise(shapes), dtypes, strict=True)
    )


def cut_folder(prepared: PreparedModel, count: int, progress: Progress) -> Path:
    """Where the stages of `prepared` and `cut.json` are."""
    entry = CacheEntry(f"{prepared.path.parent.name}-in-{count}-stages-{FORMAT}", say=say)
    return entry.ensure(lambda partial: _make(prepared, count, partial, progress))


def measured_pieces(prepared: PreparedModel) -> tuple[float, ...]:
    """What the model's smallest parts take, in ms, if it was ever cut on this machine."""
    pattern = f"{prepared.path.parent.name}-in-*-stages-{FORMAT}/cut.json"
    for path in sorted(prepared.path.parent.parent.glob(pattern)):
        return read_cut(path.parent).piece_ms
    return ()


def read_cut(folder: Path) -> Cut:
    """How the model was cut."""
    return msgspec.json.decode((folder / "cut.json").read_bytes(), type=Cut)


def _make(prepared: PreparedModel, count: int, folder: Path, progress: Progress) -> None:
    stage = f"cutting {prepared.card.name} into {count} stages"
    progress(stage, 0, 1)
    argv = [sys.executable, "-m", "targets.pipeline.cut", prepared.card.name, str(count), str(folder)]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == ExitCode.USAGE:
        raise UserError(done.stdout.strip())
    if done.returncode:
        raise RunError(f"{stage} failed with exit code {done.returncode}; its own words are above")
    progress(stage, 1, 1)
