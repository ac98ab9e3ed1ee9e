"""A bank of payloads: real inputs with the model's own offline answers to them.

Targets write it when they prepare a model; the load process reads it without importing any
deep-learning library. One `.npz` file, read with `allow_pickle=False`. Items of different lengths are
kept end to end in `values`, with the shape of each in `shapes`.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import UserError
from harness.plan.knobs import Setting

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Items = NDArray[Any] | tuple[NDArray[Any], ...]

FREE = -1  # the size of an axis that differs from item to item


class ClientWork(msgspec.Struct, frozen=True, kw_only=True):
    """What a client does to an item before it is sent: the target that knows how, and its knobs."""

    target: str
    setting: Setting = {}


class BankMeta(msgspec.Struct, frozen=True, kw_only=True):
    """Names and shapes on the wire; shapes are of one item, without the batch axis.

    The first axis of `input_shape` may be free: then it is `FREE`, and items have from `shortest` to `longest` there.
    """

    model: str
    verb: str = "predict"  # what is asked of the model; the expected answers are to that
    input_name: str = "input"
    output_name: str = "output"
    datatype: str = "FP32"  # Open Inference Protocol's name
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    shortest: int = 1
    longest: int = 1 << 20
    client: ClientWork | None = None  # None: items are sent as they are
    tolerance: float = 1e-3  # greatest absolute difference of a right answer

    @property
    def ragged(self) -> bool:
        """Whether items differ in length."""
        return self.input_shape[:1] == (FREE,)


@dataclass(frozen=True, slots=True)
class Bank:
    """Inputs, labels (n,) or empty, expected answers (n, *output_shape) or empty, in one order.

    Inputs are one array (n, *input_shape), or a tuple of arrays where the first axis is free; in any dtype that holds
    the wire's `datatype`.
    """

    meta: BankMeta
    inputs: Items
    labels: NDArray[np.int64]
    expected: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write the bank atomically to `path` (`.npz`)."""
        import numpy as np

        meta = np.frombuffer(msgspec.json.encode(self.meta), dtype=np.uint8)
        partial = path.with_name(f".{path.name}.{os.getpid()}.npz")
        parts: dict[str, Any] = {"meta": meta, "labels": self.labels, "expected": self.expected, **_packed(self.inputs)}
        np.savez(partial, allow_pickle=False, **parts)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Bank:
        """Read a bank. Raises UserError where the file is missing or is no bank."""
        import numpy as np

        try:
            with np.load(path, allow_pickle=False) as parts:
                meta = msgspec.json.decode(parts["meta"].tobytes(), type=BankMeta)
                return cls(meta, _unpacked(parts), parts["labels"], parts["expected"])
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(
                f"--bank {path}: not a readable payload bank ({error}); "
                "make it again with `python -m harness prepare MODEL`"
            ) from error


def _packed(items: Items) -> dict[str, NDArray[Any]]:
    import numpy as np

    if not isinstance(items, tuple):
        return {"inputs": items}
    shapes = np.array([item.shape for item in items], dtype=np.int64)
    return {"values": np.concatenate([item.reshape(-1) for item in items]), "shapes": shapes}


def _unpacked(parts: Any) -> Items:
    import numpy as np

    if "inputs" in parts:
        inputs: NDArray[Any] = parts["inputs"]
        return inputs
    values, shapes = parts["values"], parts["shapes"]
    ends = np.cumsum(shapes.prod(axis=1))
    if ends[-1] != values.size:
        raise ValueError("its shapes do not add up to its values")
    return tuple(part.reshape(shape) for part, shape in zip(np.split(values, ends[:-1]), shapes, strict=True))
