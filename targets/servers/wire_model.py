"""The served model as clients see it: names, shapes, and how its rows are packed.

A row travels as its little-endian float32 bytes; a batch is the concatenation of its rows.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from targets.explain import OUTPUT
from targets.servers.errors import ProtocolError

if TYPE_CHECKING:
    from harness.bank import BankMeta
    from harness.metrics import ModelCard

DATATYPE = "FP32"
VERSION = "1"
ITEM_BYTES = 4


@dataclass(frozen=True)
class WireModel:
    """One model on the wire; `meta` has names and shapes without the batch axis."""

    meta: BankMeta
    card: ModelCard

    @cached_property
    def row_values(self) -> int:
        """Numbers in one row."""
        return math.prod(self.meta.input_shape)

    @property
    def name(self) -> str:
        """Its name in every path."""
        return self.meta.model

    @cached_property
    def row_shape(self) -> list[int]:
        """The input shape without the batch axis, as JSON writes it."""
        return list(self.meta.input_shape)

    @cached_property
    def _row(self) -> struct.Struct:
        # Standard sizes ("<") refuse a number that float32 cannot hold; native packing would make it infinite.
        return struct.Struct(f"<{self.row_values}f")

    def rows_of_shape(self, shape: Any) -> int:
        """The k of a shape [k, *input_shape]. Raises ProtocolError for any other."""
        if not isinstance(shape, list) or shape[1:] != self.row_shape or type(shape[0]) is not int or shape[0] < 1:
            raise ProtocolError(400, f"input {self.meta.input_name!r}: shape must be [k, {self._dims}] with k >= 1")
        return int(shape[0])

    def pack_flat(self, values: Any, rows: int) -> bytes:
        """The bytes of `rows` rows given as one flat list of numbers, or nested by the shape."""
        if isinstance(values, list) and values and isinstance(values[0], list):
            if len(values) != rows:
                raise ProtocolError(400, f"input {self.meta.input_name!r}: {rows} rows declared, {len(values)} given")
            return b"".join([self.pack_row(row) for row in values])
        if rows == 1:
            return self._pack(self._row, values)
        return self._pack(struct.Struct(f"<{rows * self.row_values}f"), values)

    def pack_row(self, row: Any) -> bytes:
        """The bytes of one row, nested by the input shape."""
        values = row if len(self.row_shape) == 1 else _flatten(row, self.row_shape)
        return self._pack(self._row, values)

    def check_binary(self, tensor: bytes, rows: int) -> bytes:
        """`tensor` itself. Raises ProtocolError where it has another length or a value that is not finite."""
        expected_bytes = rows * self.row_values * ITEM_BYTES
        if len(tensor) != expected_bytes:
            raise ProtocolError(400, f"binary tensor has {len(tensor)} bytes, its shape takes {expected_bytes}")
        if not np.isfinite(np.frombuffer(tensor, dtype="<f4")).all():
            raise ProtocolError(400, f"input {self.meta.input_name!r}: NaN and Infinity are refused")
        return tensor

    def _pack(self, packer: struct.Struct, values: Any) -> bytes:
        try:
            return packer.pack(*values)
        except (struct.error, OverflowError, TypeError):
            count = packer.size // ITEM_BYTES
            raise ProtocolError(
                400,
                f"input {self.meta.input_name!r}: needs {count} finite numbers of float32 (a row is [{self._dims}])",
            ) from None

    @property
    def _dims(self) -> str:
        return ", ".join(map(str, self.row_shape))


def explained(model: WireModel) -> WireModel:
    """The model as `explain` answers for it: the output has the shape of the input."""
    meta = msgspec.structs.replace(model.meta, output_name=OUTPUT, output_shape=model.meta.input_shape)
    return replace(model, meta=meta)


def refuse_booleans(body: bytes, values: Any) -> None:
    """Raise ProtocolError where JSON's true or false stands among the numbers: Python would take them for 1 and 0.

    Bodies without the letters of either word, which is nearly all of them, cost two memory scans.
    """
    if (b"r" in body or b"l" in body) and _has_boolean(values):
        raise ProtocolError(400, "true and false are not numbers")


def _has_boolean(values: Any) -> bool:
    if isinstance(values, list):
        return any(_has_boolean(value) for value in values)
    return isinstance(values, bool)


def _flatten(nested: Any, shape: list[int]) -> list[Any]:
    if not isinstance(nested, list) or len(nested) != shape[0]:
        raise ProtocolError(400, f"expected a list of {shape[0]} at the level of shape {shape}")
    if len(shape) == 1:
        return nested
    return [value for part in nested for value in _flatten(part, shape[1:])]
