"""Payloads for a model that nobody has a bank for: seeded numbers of the right shape, without right answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError
from harness.wire.datatypes import DTYPES
from harness.wire.payload_bank import FREE, Bank

if TYPE_CHECKING:
    from harness.wire.payload_bank import BankMeta

PAYLOADS = 256


def random_bank(meta: BankMeta, seed: int, count: int = PAYLOADS) -> Bank:
    """`count` items uniform on [0, 1) (0 or 1 for whole-number types), no labels, no expected answers.

    Raises UserError where a size is free, or the type is no number.
    """
    if FREE in meta.input_shape or meta.datatype not in DTYPES:
        what = f"of free size ({meta.input_shape})" if FREE in meta.input_shape else f"{meta.datatype}, no numbers"
        raise UserError(f"--model {meta.model}: input {meta.input_name!r} is {what}; give payloads with --bank FILE")
    inputs = np.random.default_rng(seed).random((count, *meta.input_shape), dtype=np.float32)
    if not meta.datatype.startswith("FP"):
        inputs = np.round(inputs)
    return Bank(meta, inputs, np.zeros(0, np.int64), np.zeros((0, *meta.output_shape), np.float32))
