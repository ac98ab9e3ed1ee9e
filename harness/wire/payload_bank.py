"""A payload bank: real inputs, with the predictions that the model itself made for them offline.

Targets write it when they prepare a model; the load process reads it without importing a deep-learning library. It is
one `.npz` file, read with `allow_pickle=False`. Items of different lengths are kept end to end in `values`, with the
shape of each in `shapes`.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import UserError
from harness.files import replacing
from harness.wire.datatypes import DTYPES
from harness.wire.own.request_form import RequestForm
from harness.wire.tolerance import Tolerance

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Items = NDArray[Any] | tuple[NDArray[Any], ...]

FREE = -1  # the size of an axis that differs from item to item
RANDOM_ITEMS = 256
MAX_ITEM_BYTES = 256 << 20
MAX_BANK_BYTES = 1 << 30


class ClientWork(msgspec.Struct, frozen=True, kw_only=True):
    """The preprocessing that a client does to an item before it sends it: the target that has it, and its knobs."""

    target: str
    setting: dict[str, int | float | str | bool] = {}


class BankMeta(msgspec.Struct, frozen=True, kw_only=True):
    """Names and shapes on the wire; shapes are of one item, without the batch axis.

    The first axis of `input_shape` may be free: then it is `FREE`, and items have from `shortest` to `longest` there.
    """

    model: str
    verb: str = "predict"  # what the request asks of the model; the expected outputs are for it
    input_name: str = "input"
    output_name: str = "output"  # empty: the first of the response
    datatype: str = "FP32"  # Open Inference Protocol's name
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    shortest: int = 1
    longest: int = 1 << 20
    batched: bool = True  # False: the model has no batch axis, and takes an item as it is
    request: RequestForm | None = None  # of items that are whole bodies of the user's own; None: the protocol's
    client: ClientWork | None = None  # None: items are sent as they are
    tolerance: float = 1e-3  # greatest absolute difference of a correct prediction
    relative_tolerance: float = 0.0  # greatest difference beside it, in shares of the expected value
    of_file: bool = False  # the server says that it serves a file, not the reference model of that name

    @property
    def allowed(self) -> Tolerance:
        """How far a right response may be from the expected one."""
        return Tolerance(self.relative_tolerance, self.tolerance)

    @property
    def ragged(self) -> bool:
        """Whether items differ in length."""
        return self.input_shape[:1] == (FREE,)


@dataclass(frozen=True, slots=True)
class Bank:
    """Inputs, labels (n,) or empty, expected predictions (n, *output_shape) or empty, in one order.

    Inputs are one array (n, *input_shape), or a tuple of arrays where the first axis is free; in any dtype that holds
    the wire's `datatype`.
    """

    meta: BankMeta
    inputs: Items
    labels: NDArray[np.int64]
    expected: NDArray[Any]
    beside: tuple[bytes, ...] = ()  # a JSON object for each item, with the fields that `meta.request` expects; or empty

    def save(self, path: Path) -> None:
        """Write the bank atomically to `path` (`.npz`)."""
        import numpy as np

        meta = np.frombuffer(msgspec.json.encode(self.meta), dtype=np.uint8)
        parts: dict[str, Any] = {"meta": meta, "labels": self.labels, "expected": self.expected, **_packed(self.inputs)}
        if self.beside:
            parts["beside"] = np.array(self.beside)
        with replacing(path) as partial:
            np.savez(partial, allow_pickle=False, **parts)

    @classmethod
    def load(cls, path: Path) -> Bank:
        """Read a bank. Raises UserError where the file is missing or is no bank."""
        import numpy as np

        try:
            with np.load(path, allow_pickle=False) as parts:
                meta = msgspec.json.decode(parts["meta"].tobytes(), type=BankMeta)
                beside = tuple(parts["beside"].tolist()) if "beside" in parts else ()
                return cls(meta, _unpacked(parts), parts["labels"], parts["expected"], beside)
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(
                f"{path}: not a readable payload bank ({error}); make it again with `python -m harness prepare MODEL`",
                "payloads",
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


def random_bank(meta: BankMeta, seed: int, count: int = RANDOM_ITEMS) -> Bank:
    """`count` items uniform on [0, 1) (0 or 1 for whole-number types), without labels and expected predictions.

    There are fewer where they would take more than MAX_BANK_BYTES. Raises UserError where a size is free, where an item
    is longer than MAX_ITEM_BYTES, or where the datatype is no number.
    """
    import numpy as np

    if FREE in meta.input_shape or meta.datatype not in (*DTYPES, "BF16"):
        what = f"of free size ({meta.input_shape})" if FREE in meta.input_shape else f"{meta.datatype}, no numbers"
        raise UserError(f"{meta.model}: input {meta.input_name!r} is {what}; give payloads of your own", "model")
    item_bytes = 4 * math.prod(meta.input_shape)
    if item_bytes > MAX_ITEM_BYTES:
        raise UserError(
            f"{meta.model}: an item of input {meta.input_name!r} {meta.input_shape} would take {item_bytes:.3g} bytes, "
            f"more than {MAX_ITEM_BYTES >> 20} MiB; give payloads of your own",
            "model",
        )
    count = min(count, max(1, MAX_BANK_BYTES // max(1, item_bytes)))
    inputs = np.random.default_rng(seed).random((count, *meta.input_shape), dtype=np.float32)
    if not meta.datatype.startswith(("FP", "BF")):
        inputs = np.round(inputs)
    return Bank(meta, inputs, np.zeros(0, np.int64), np.zeros((0, *meta.output_shape), np.float32))
