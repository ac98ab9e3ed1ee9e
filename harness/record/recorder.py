"""The recorder: rows noted in a list, packed every half second and appended to an Arrow IPC stream.

A stream is readable up to its last whole record batch, so that what was written outlives `kill -9`.

The way of a row: the ledger (`measure/load/ledger.py`) calls `add` when a request has ended. Every half second, or as
soon as 4096 rows wait, a greenlet of the load process (`_conduct` in `measure/load/locust/load_run.py`) has the ledger
call `take` and `write`, which append to `requests.arrow`; `Load.finish` writes the last rows. When the load has ended
and `trial.json` is written, `run_trial` (`measure/trial.py`) calls `TrialDir.to_parquet` (`run_dir.py`):
`requests.parquet` takes the place of each stream whose process left a report.
"""

from __future__ import annotations

import contextlib
import struct
from typing import TYPE_CHECKING

import numpy as np

from harness.record.arrow_stream import StreamRecorder, read_batches, table_of
from harness.record.parquet.parquet_file import SUFFIX, read_parquet
from harness.record.parquet.shown_rows import recorded_rows
from harness.record.rows import ABSENT, COLUMN_NAMES, row_dtype, row_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    Rows = NDArray[np.void]  # (n,) of `row_dtype()`

_WIDEST_BYTES = 8


class Recorder(StreamRecorder):
    """Keeps rows until `take`, and writes what was taken.

    `add` takes a tuple of the values of the `noted` columns, which are integers. It is a list's own `extend`: a quarter
    of the time of packing the values of one row, and `take` packs all of them at once. The two halves are apart so that
    the loop which adds never waits for the disk.
    """

    def __init__(self, path: Path, noted: Sequence[str] = COLUMN_NAMES) -> None:
        super().__init__(path)
        self.rows_written = 0
        self._noted = tuple(noted)
        self._rows_taken = 0
        self._values: list[int] = []  # of one row after the other
        self.add: Callable[[Sequence[int]], None] = self._values.extend

    def open(self) -> None:
        """Make the file and write its schema; a failure is kept in `error`."""
        self._open(row_schema())
        to_batch(np.zeros(1, row_dtype()))  # what a first time costs is paid before the load starts

    @property
    def rows_waiting(self) -> int:
        """Rows added since the last `take`."""
        return len(self._values) // len(self._noted)

    @property
    def rows_added(self) -> int:
        """Rows added since the beginning."""
        return self._rows_taken + self.rows_waiting

    def take(self, also: Collection[str] = ()) -> Rows:
        """All rows added since the last `take`, as one array that nobody else writes to.

        It has the columns that are noted, and those of `also`, which are ABSENT. Others are null in the file.
        """
        values = self._values
        packed = np.frombuffer(struct.pack(f"{len(values)}q", *values), np.int64).reshape(-1, len(self._noted))
        values.clear()
        self._rows_taken += len(packed)
        others = [name for name in dict.fromkeys(also) if name not in self._noted]
        rows = np.empty(len(packed), row_dtype((*self._noted, *others)))
        for place, name in enumerate(self._noted):
            rows[name] = packed[:, place]
        for name in others:
            rows[name] = ABSENT
        return rows

    def write(self, rows: Rows) -> None:
        """Append `rows` to the file as one record batch."""
        if rows.size and self._append(to_batch(rows)):
            self.rows_written += rows.size


def to_batch(rows: Rows) -> pa.RecordBatch:
    """`rows` as Arrow columns; ABSENT becomes null where the column may be null, and a column that lacks is null."""
    import pyarrow as pa

    schema = row_schema()
    names = rows.dtype.names or ()
    nothing = pa.py_buffer(bytes(rows.size * _WIDEST_BYTES))  # of all columns that are not there
    columns = []
    for field in schema:
        if field.name not in names:
            columns.append(pa.Array.from_buffers(field.type, rows.size, [nothing, nothing], rows.size))
            continue
        values = np.ascontiguousarray(rows[field.name])
        present = values != ABSENT if field.nullable else None
        # From buffers: `pa.array` would import pandas where it is installed, which takes longer than a load may pause.
        bits = None if present is None or present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
        columns.append(pa.Array.from_buffers(field.type, values.size, [bits, pa.py_buffer(values)]))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def read_rows(path: Path, unread: Collection[str] = ()) -> pa.Table:
    """The rows of a requests file: all of `requests.parquet`, `requests.arrow` up to its last whole record batch.

    A file without even a schema gives an empty table. Columns that a file of an earlier version lacks are null, and so
    are those of `unread` in a Parquet file.
    """
    return _read_parquet(path, unread) if path.suffix == SUFFIX else _as_of_now([*read_batches(path)])


def _read_parquet(path: Path, unread: Collection[str]) -> pa.Table:
    """A Parquet file has its index at its end: where it is damaged, nothing of it can be read."""
    import pyarrow as pa

    with contextlib.suppress(pa.ArrowException, KeyError, TypeError, ValueError):
        shown = read_parquet(path, unread)
        if shown is not None:
            return recorded_rows(shown)
    return row_schema().empty_table()


def _as_of_now(batches: list[pa.RecordBatch]) -> pa.Table:
    import pyarrow as pa

    schema = row_schema()
    if not batches or batches[0].schema.equals(schema):
        return table_of(batches, schema)
    table = table_of(batches, batches[0].schema)
    columns = [
        table.column(field.name).cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)
