"""The served model as clients see it: names, shapes, and the packing of rows to bytes.

A row is packed to little-endian bytes. A request is the concatenation of its rows, which have one shape; where the
first axis of a row is free, each request sets its size.
"""

from __future__ import annotations

import math
import struct
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from harness.plan.target_spec import is_model_file
from harness.wire.datatypes import DATATYPES
from harness.wire.model_metadata import FROM_FILE
from targets.explain import OUTPUT
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.record.model_card import ModelCard
    from harness.wire.payload_bank import BankMeta

# `_finite` provokes this warning. Suppressing it per call (`np.errstate`) would cost more than the check.
warnings.filterwarnings("ignore", "invalid value encountered in dot", RuntimeWarning)

OUTPUT_DATATYPE = "FP32"
VERSION = "1"

Shape = tuple[int, ...]


@dataclass(frozen=True)
class WireModel:
    """A served model; `meta` has names and shapes without the batch axis."""

    meta: BankMeta
    card: ModelCard

    @property
    def name(self) -> str:
        """The name of the model in paths."""
        return self.meta.model

    @property
    def platform(self) -> str:
        """What executes the model; it says so where the model is a file of the user's own."""
        return f"keras_{self.card.engine or 'none'}{FROM_FILE if is_model_file(self.card.name) else ''}"

    @property
    def datatype(self) -> str:
        """The input datatype, as the Open Inference Protocol names it."""
        return self.meta.datatype

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """The input datatype, as NumPy names it."""
        return np.dtype(DATATYPES[self.meta.datatype].numpy)

    @cached_property
    def row_shape(self) -> list[int]:
        """The input shape without the batch axis, as in JSON; -1 for a free axis."""
        return list(self.meta.input_shape)

    @cached_property
    def _one_row(self) -> list[int]:
        return [] if self.meta.ragged else [1, *self.row_shape]  # the shape of nearly all requests

    @cached_property
    def _zeros(self) -> NDArray[Any]:
        return np.zeros(math.prod(self.meta.input_shape) if not self.meta.ragged else 0, self.dtype)

    @cached_property
    def _packers(self) -> dict[int, struct.Struct]:
        return {}  # by count of numbers, for a fixed row shape

    def check_datatype(self, datatype: Any) -> None:
        """Raise ProtocolError unless `datatype` is that of the input."""
        if datatype != self.meta.datatype:
            raise ProtocolError(400, f"input {self.meta.input_name!r}: datatype must be {self.meta.datatype}")

    def rows_of_shape(self, shape: Any) -> tuple[int, Shape]:
        """(k, row shape) of a shape [k, *row]. Raises ProtocolError where it does not fit the model."""
        if shape == self._one_row and type(shape[0]) is int:
            return 1, self.meta.input_shape
        if not isinstance(shape, list) or any(type(size) is not int for size in shape) or not self._fits(shape):
            raise ProtocolError(400, f"input {self.meta.input_name!r}: shape must be [k, {self._dims}] with k >= 1")
        return shape[0], tuple(shape[1:])

    def _fits(self, shape: list[int]) -> bool:
        if not shape or shape[0] < 1:
            return False
        if not self.meta.ragged:
            return shape[1:] == self.row_shape
        inside = len(shape) > 1 and self.meta.shortest <= shape[1] <= self.meta.longest
        return inside and shape[2:] == self.row_shape[1:]

    def pack_flat(self, values: Any, rows: int, shape: Shape) -> bytes:
        """Pack `rows` rows, given as one flat list of numbers or nested by `shape`."""
        if isinstance(values, list) and values and isinstance(values[0], list):
            if len(values) != rows:
                raise ProtocolError(400, f"input {self.meta.input_name!r}: {rows} rows declared, {len(values)} given")
            return b"".join([self.pack_row(row, shape) for row in values])
        return self._pack(values, rows * math.prod(shape))

    def pack_rows(self, rows: list[Any]) -> tuple[bytes, Shape]:
        """Pack rows that are nested by their common shape. Also returns that shape."""
        shape = tuple(self.row_shape)
        if self.meta.ragged:
            length = len(rows[0]) if isinstance(rows[0], list) else 0
            _, shape = self.rows_of_shape([len(rows), length, *shape[1:]])
        return b"".join([self.pack_row(row, shape) for row in rows]), shape

    def pack_row(self, row: Any, shape: Shape) -> bytes:
        """Pack one row that is nested by `shape`."""
        values = row if len(shape) == 1 else _flatten(row, shape)
        return self._pack(values, math.prod(shape))

    def check_binary(self, tensor: bytes, rows: int, shape: Shape) -> bytes:
        """Return `tensor`. Raises ProtocolError where its length is wrong or a value is not finite."""
        expected_bytes = rows * math.prod(shape) * self.dtype.itemsize
        if len(tensor) != expected_bytes:
            raise ProtocolError(400, f"binary tensor has {len(tensor)} bytes, its shape takes {expected_bytes}")
        if self.dtype.kind == "f" and not self._finite(np.frombuffer(tensor, self.dtype)):
            raise ProtocolError(400, f"input {self.meta.input_name!r}: NaN and Infinity are refused")
        return tensor

    def _finite(self, values: NDArray[Any]) -> bool:
        if len(values) == len(self._zeros):  # one row: NaN and Infinity times zero are NaN, so one call suffices
            return bool(values.dot(self._zeros) == 0)
        return bool(np.isfinite(values).all())

    def _pack(self, values: Any, count: int) -> bytes:
        packer = self._packers.get(count)
        if packer is None:
            # Standard sizes ("<") refuse a number out of the range of the type; native packing would make it infinite.
            packer = struct.Struct(f"<{count}{DATATYPES[self.meta.datatype].struct}")
            if not self.meta.ragged:
                self._packers[count] = packer
        try:
            return packer.pack(*values)
        except (struct.error, OverflowError, TypeError):
            kind = "finite" if self.dtype.kind == "f" else "whole"
            raise ProtocolError(
                400,
                f"input {self.meta.input_name!r}: needs {count} {kind} numbers of {self.dtype.name} "
                f"(a row is [{self._dims}])",
            ) from None

    @cached_property
    def _dims(self) -> str:
        if not self.meta.ragged:
            return ", ".join(map(str, self.row_shape))
        free = f"{self.meta.shortest}..{self.meta.longest}"
        return ", ".join([free, *map(str, self.row_shape[1:])])


def explained(model: WireModel) -> WireModel:
    """The model as `explain` serves it: the output has the shape of the input."""
    meta = msgspec.structs.replace(model.meta, output_name=OUTPUT, output_shape=model.meta.input_shape)
    return replace(model, meta=meta)


def refuse_booleans(body: bytes, values: Any) -> None:
    """Raise ProtocolError where true or false is among the numbers, which Python would treat as 1 and 0.

    Nearly all bodies contain neither r nor l and cost only two memory scans.
    """
    if (b"r" in body or b"l" in body) and _has_boolean(values):
        raise ProtocolError(400, "true and false are not numbers")


def _has_boolean(values: Any) -> bool:
    if isinstance(values, list):
        return any(_has_boolean(value) for value in values)
    return isinstance(values, bool)


def _flatten(nested: Any, shape: Shape) -> list[Any]:
    if not isinstance(nested, list) or len(nested) != shape[0]:
        raise ProtocolError(400, f"expected a list of {shape[0]} at the level of shape {list(shape)}")
    if len(shape) == 1:
        return nested
    return [value for part in nested for value in _flatten(part, shape[1:])]
