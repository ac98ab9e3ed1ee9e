"""`tokens.arrow`: the arrival times of the tokens of streamed responses, one line per stream.

An Arrow stream like the rows, readable up to its last whole batch. `request` and `worker` say which row it belongs to.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.record.arrow_stream import StreamRecorder, read_batches, table_of
from harness.record.parquet.parquet_file import SUFFIX, whole_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pyarrow as pa


class TokenTimes(NamedTuple):
    """The instants (CLOCK_MONOTONIC, nanoseconds) of one stream's tokens; `request` is the row's running number."""

    request: int
    instants_ns: array[int]


def token_schema() -> pa.Schema:
    """The columns of the file."""
    import pyarrow as pa

    return pa.schema([
        pa.field("worker", pa.int16(), nullable=False),
        pa.field("request", pa.int64(), nullable=False),
        pa.field("instants_ns", pa.list_(pa.field("item", pa.int64(), nullable=False)), nullable=False),
    ])  # fmt: skip


class TokenRecorder(StreamRecorder):
    """Appends streams to the file."""

    def __init__(self, path: Path, worker: int) -> None:
        super().__init__(path)
        self._worker = worker

    def open(self) -> None:
        """Make the file and write its schema."""
        self._open(token_schema())
        to_batch([TokenTimes(0, array("q", [0]))], 0)  # what a first time costs is paid before the load starts

    def write(self, streams: Sequence[TokenTimes]) -> None:
        """Append `streams` as one record batch."""
        if streams:
            self._append(to_batch(streams, self._worker))


def to_batch(streams: Sequence[TokenTimes], worker: int) -> pa.RecordBatch:
    """`streams` as Arrow columns."""
    import pyarrow as pa

    schema = token_schema()
    count = len(streams)
    ends = np.cumsum([0, *(len(stream.instants_ns) for stream in streams)]).astype(np.int32)
    instants = np.frombuffer(b"".join(stream.instants_ns.tobytes() for stream in streams), np.int64)
    values = pa.Array.from_buffers(pa.int64(), int(ends[-1]), [None, pa.py_buffer(instants)])
    lists = pa.Array.from_buffers(
        schema.field("instants_ns").type, count, [None, pa.py_buffer(ends)], children=[values]
    )
    requests = np.array([stream.request for stream in streams], np.int64)
    columns = [
        pa.Array.from_buffers(pa.int16(), count, [None, pa.py_buffer(np.full(count, worker, np.int16))]),
        pa.Array.from_buffers(pa.int64(), count, [None, pa.py_buffer(requests)]),
        lists,
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def read_tokens(path: Path) -> pa.Table:
    """The streams of a file; of an Arrow stream up to its last whole record batch."""
    if path.suffix == SUFFIX:
        return whole_table(path, token_schema())
    return table_of(read_batches(path), token_schema())
