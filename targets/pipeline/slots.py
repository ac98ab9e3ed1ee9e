"""Shared memory in slots, one per batch in flight. A stage reads its input from one half and writes to the other.

The memory is an anonymous file (memfd), inherited as a descriptor: nothing remains when its processes are killed, and
the size of /dev/shm does not matter. Pages take memory once they are written.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.errors import RunError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUMBER_BYTES = 8  # of the widest datatype
HALF_LIMIT_BYTES = 1 << 30
HALVES = 2


class Geometry(msgspec.Struct, frozen=True, kw_only=True):
    """The number of slots, the maximum rows of a slot, and the maximum numbers per row between any two stages."""

    slots: int
    rows: int
    width: int

    @property
    def half_bytes(self) -> int:
        """The size of one half: whole pages, at most `HALF_LIMIT_BYTES`."""
        wanted = min(self.rows * self.width * NUMBER_BYTES, HALF_LIMIT_BYTES)
        return -(-wanted // mmap.PAGESIZE) * mmap.PAGESIZE

    @property
    def size_bytes(self) -> int:
        """The size of all slots."""
        return self.slots * HALVES * self.half_bytes


def create_memory(geometry: Geometry) -> int:
    """Create the shared memory, filled with zeros, and return its descriptor. Raises RunError."""
    try:
        descriptor = os.memfd_create("sweepspot") if hasattr(os, "memfd_create") else _unnamed_file()
        os.ftruncate(descriptor, geometry.size_bytes)
    except OSError as error:
        raise RunError(f"shared memory for {geometry.slots} batches of {geometry.rows} rows: {error}") from error
    return descriptor


def _unnamed_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


@dataclass(frozen=True, slots=True)
class Slots:
    """The shared memory as arrays."""

    geometry: Geometry
    memory: mmap.mmap

    @classmethod
    def attach(cls, descriptor: int, geometry: Geometry) -> Slots:
        """Map the memory behind `descriptor`. Raises RunError."""
        try:
            return cls(geometry, mmap.mmap(descriptor, geometry.size_bytes))
        except OSError as error:
            raise RunError(f"shared memory of {geometry.size_bytes / 2**30:.1f} GiB: {error}") from error

    def tensor(self, slot: int, stage: int, shape: tuple[int, ...], dtype: str = "<f4") -> NDArray[Any]:
        """A view of the input of `stage`, which is the output of the stage before, with `shape` (rows first).

        Raises ValueError where the tensor does not fit.
        """
        count = prod(shape)
        if count * np.dtype(dtype).itemsize > self.geometry.half_bytes:
            raise ValueError(f"a tensor of {shape} does not fit into {self.geometry.half_bytes} bytes of shared memory")
        offset = (slot * HALVES + stage % HALVES) * self.geometry.half_bytes
        return np.frombuffer(self.memory, dtype=dtype, count=count, offset=offset).reshape(shape)
