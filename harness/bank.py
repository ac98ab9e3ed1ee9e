"""A bank of payloads: real inputs with the model's own offline answers to them.

Targets write it when they prepare a model; the load process reads it without importing any
deep-learning library. One `.npz` file, read with `allow_pickle=False`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class BankMeta(msgspec.Struct, frozen=True, kw_only=True):
    """Names and shapes on the wire; shapes are of one item, without the batch axis."""

    model: str
    verb: str = "predict"  # what is asked of the model; the expected answers are to that
    input_name: str = "input"
    output_name: str = "output"
    datatype: str = "FP32"  # Open Inference Protocol's name
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    tolerance: float = 1e-3  # greatest absolute difference of a right answer


@dataclass(frozen=True, slots=True)
class Bank:
    """Inputs (n, *input_shape), labels (n,) or empty, expected answers (n, *output_shape), in one order."""

    meta: BankMeta
    inputs: NDArray[np.float32]
    labels: NDArray[np.int64]
    expected: NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write the bank atomically to `path` (`.npz`)."""
        import numpy as np

        meta = np.frombuffer(msgspec.json.encode(self.meta), dtype=np.uint8)
        partial = path.with_name(f".{path.name}.{os.getpid()}.npz")
        np.savez(partial, meta=meta, inputs=self.inputs, labels=self.labels, expected=self.expected)
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Bank:
        """Read a bank. Raises UserError where the file is missing or is no bank."""
        import numpy as np

        try:
            with np.load(path, allow_pickle=False) as parts:
                meta = msgspec.json.decode(parts["meta"].tobytes(), type=BankMeta)
                return cls(meta, parts["inputs"], parts["labels"], parts["expected"])
        except (OSError, KeyError, ValueError) as error:
            raise UserError(
                f"--bank {path}: not a readable payload bank ({error}); "
                "make it again with `python -m harness prepare MODEL`"
            ) from error
