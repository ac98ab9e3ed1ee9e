"""`samples.arrow`: readings of CPU, memory and GPU, appended at least once a second and readable after `kill -9`.

The columns are made without `pyarrow.array`. That function imports pandas to recognise its types, which costs a
quarter of a second on the load's core in the middle of a measurement.
"""

from __future__ import annotations

from array import array
from itertools import accumulate
from typing import TYPE_CHECKING, Self

import msgspec

from harness.clock import NS_PER_S
from harness.record.arrow_stream import ArrowStream, read_batches, table_of
from harness.record.parquet.parquet_file import SUFFIX, whole_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

    import pyarrow as pa

FLUSH_EVERY_NS = NS_PER_S


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One reading. `value` None: the reading failed, and `error` says why.

    Sources: "target" and "load" (a process tree), "machine", "cores" (those of target and load), "cpu0", "cpu1", ...
    (a core), "gpu0", ..., "sampler" (the sampler's own cost), "process:NAME:PID:GROUP" (a program that is no part of
    the run). Metrics carry their unit: "cpu_s" (cumulative CPU seconds of the tree), "ran_s" and "waited_s"
    (cumulative, of threads: ran, and were ready but had no core), "rss_bytes", "pss_bytes", "threads",
    "context_switches" (cumulative), "cpu_percent" (a core, since the last sample), "steal_s" (cumulative), "access_ns"
    (of "memory": a random access on the target's cores), "utilization_percent", "memory_bytes", "power_w", "energy_j"
    (cumulative), "clock_mhz". Runs of earlier versions lack the newer ones.
    """

    t_ns: int  # CLOCK_MONOTONIC, when it was read
    late_ns: int  # after the deadline it was due at
    source: str
    metric: str
    value: float | None
    error: str | None = None


def sample_schema() -> pa.Schema:
    """The Arrow schema of `samples.arrow`."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("t_ns", pa.int64(), nullable=False),
            pa.field("late_ns", pa.int64(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("metric", pa.string(), nullable=False),
            pa.field("value", pa.float64()),
            pa.field("error", pa.string()),
        ]
    )


class SampleWriter:
    """Appends samples to an Arrow IPC stream file, a record batch per second. Raises OSError where it cannot."""

    def __init__(self, path: Path) -> None:
        self._schema = sample_schema()
        self._stream = ArrowStream(path, self._schema)
        self._pending: list[Sample] = []
        self._flush_due_ns: int | None = None

    def add(self, samples: Sequence[Sample], now_ns: int) -> None:
        """Keep `samples`, and write what is kept where a second has passed since it was last written."""
        self._pending += samples
        if self._flush_due_ns is None or now_ns >= self._flush_due_ns:
            self._flush_due_ns = now_ns + FLUSH_EVERY_NS
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        if not self._pending:
            return
        self._stream.append(record_batch(self._pending, self._schema))
        self._pending = []

    def close(self) -> None:
        """Write what is kept and end the stream."""
        self.flush()
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def read_samples(path: Path) -> pa.Table:
    """All samples of `samples.parquet`; of `samples.arrow` all whole batches, without a truncated tail.

    Raises OSError where there is no file.
    """
    if path.suffix == SUFFIX:
        return whole_table(path, sample_schema())
    return table_of(read_batches(path), sample_schema())


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
