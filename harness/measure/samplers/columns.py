"""Arrow columns made from Python values without `pyarrow.array`.

That function imports pandas, to recognise its types: a quarter of a second on the load's core, in mid-measurement.
"""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    import pyarrow as pa

    from harness.record.samples import Sample


def record_batch(samples: Sequence[Sample], schema: pa.Schema) -> pa.RecordBatch:
    """`samples` as one batch of `schema`, whose columns are int64, float64 and string."""
    import pyarrow as pa

    make: dict[pa.DataType, Callable[[list[Any]], pa.Array]]
    make = {pa.int64(): _integers, pa.float64(): _floats, pa.string(): _strings}
    columns = [make[field.type]([getattr(sample, field.name) for sample in samples]) for field in schema]
    return pa.record_batch(columns, schema=schema)


def _integers(values: list[int]) -> pa.Array:
    import pyarrow as pa

    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(array("q", values))])


def _floats(values: list[float | None]) -> pa.Array:
    import pyarrow as pa

    data = array("d", [0.0 if value is None else value for value in values])
    return pa.Array.from_buffers(pa.float64(), len(values), [pa.py_buffer(_validity(values)), pa.py_buffer(data)])


def _strings(values: list[str | None]) -> pa.Array:
    import pyarrow as pa

    texts = [(value or "").encode() for value in values]
    offsets = array("i", accumulate(map(len, texts), initial=0))
    buffers = [_validity(values), offsets, b"".join(texts)]
    return pa.Array.from_buffers(pa.string(), len(values), [pa.py_buffer(buffer) for buffer in buffers])


def _validity(values: Sequence[object]) -> bytes:
    """One bit per value, the first of eight in the lowest bit: 1 where it is there, 0 where it is None."""
    bits = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        if value is not None:
            bits[index >> 3] |= 1 << (index & 7)
    return bytes(bits)
