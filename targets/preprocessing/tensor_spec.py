"""The datatype and shape of an item before or after preprocessing, and the padding of items to one length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.wire.datatypes import DTYPES
from harness.wire.payload_bank import FREE, BankMeta

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from harness.wire.payload_bank import Items

LONGEST, BUCKET, FULL = PADDINGS = ("longest", "bucket", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorSpec:
    """The datatype and shape of an item. Where the first axis is `FREE`, its size is from `shortest` to `longest`.

    Items of different lengths are padded with `pad` to a common length of `offset` plus a multiple of `quantum`: a
    network that halves its time axis twice needs multiples of four in every batch.
    """

    datatype: str
    shape: tuple[int, ...]
    shortest: int = 1
    longest: int = 1
    pad: int = 0
    quantum: int = 1
    offset: int = 0

    @property
    def ragged(self) -> bool:
        """Whether items differ in length."""
        return self.shape[:1] == (FREE,)

    @property
    def dtype(self) -> str:
        """The datatype as NumPy names it."""
        return DTYPES[self.datatype]

    def meta(self, model: str, output_shape: tuple[int, ...]) -> BankMeta:
        """The bank metadata of a model that takes such items."""
        return BankMeta(
            model=model,
            datatype=self.datatype,
            input_shape=self.shape,
            output_shape=output_shape,
            shortest=self.shortest,
            longest=self.longest,
        )

    def padded_length(self, length: int, padding: str = LONGEST) -> int:
        """Pad `length` under one of PADDINGS: to the next legal length, to the next power of two, or to the maximum."""
        if padding == FULL:
            length = self.longest
        quanta = max(1, math.ceil((length - self.offset) / self.quantum))
        if padding == BUCKET:
            quanta = min(1 << (quanta - 1).bit_length(), math.ceil((self.longest - self.offset) / self.quantum))
        return self.offset + self.quantum * quanta

    def join(self, blocks: Sequence[NDArray[Any]], padding: str = LONGEST) -> NDArray[Any]:
        """Concatenate blocks (k, *item) to a batch (sum of k, *item), padded at the end where lengths differ."""
        import numpy as np

        if not self.ragged:
            return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        length = self.padded_length(max(block.shape[1] for block in blocks), padding)
        if len(blocks) == 1 and blocks[0].shape[1] == length:
            return blocks[0]
        rows = sum(block.shape[0] for block in blocks)
        batch = np.full((rows, length, *self.shape[1:]), self.pad, dtype=blocks[0].dtype)
        start = 0
        for block in blocks:
            batch[start : start + block.shape[0], : block.shape[1]] = block
            start += block.shape[0]
        return batch

    def stack(self, items: Items, padding: str = LONGEST) -> NDArray[Any]:
        """Items as one batch (n, *item), padded where lengths differ."""
        return self.join([item[None] for item in items], padding) if isinstance(items, tuple) else items

    def random_items(self, rng: np.random.Generator, count: int) -> Items:
        """`count` random items with this datatype and shape."""
        import numpy as np

        def one(length: int) -> NDArray[Any]:
            values = rng.random((length, *self.shape[1:]), dtype=np.float32)
            return values.astype(self.dtype) if self.datatype.startswith("FP") else np.round(values).astype(self.dtype)

        if not self.ragged:
            return one(count * self.shape[0]).reshape(count, *self.shape)
        most = min(self.longest, 4 * self.shortest + 64)
        return tuple(one(int(length)) for length in rng.integers(self.shortest, most + 1, count))
