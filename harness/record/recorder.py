"""The recorder: rows packed into preallocated buffers and appended to an Arrow IPC stream.

A stream is readable up to its last whole record batch, so that what was written outlives `kill -9`.

The way of a row: the ledger (`measure/load/ledger.py`) calls `add` when a request has ended; several times a second a
greenlet of the load process (`measure/load/locust/load_run.py`) calls `take` and `write`, which append to
`requests.arrow`. When the load has ended and `trial.json` is written, `run_trial` (`measure/trial.py`) calls
`TrialDir.to_parquet` (`run_dir.py`): `requests.parquet` takes the place of each stream whose process left a report.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.record.arrow_stream import ArrowStream, RowsElsewhereError, read_batches, table_of
from harness.record.parquet.parquet_file import SUFFIX, read_parquet
from harness.record.parquet.shown_rows import recorded_rows
from harness.record.rows import ABSENT, COLUMN_NAMES, row_dtype, row_schema, row_struct

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray

    Rows = NDArray[np.void]  # (n,) of `row_dtype()`

BUFFER_ROWS = 16_384
UNREADABLE_BYTES = b"unreadable_bytes"  # key in the schema metadata of a table that `read_rows` could not read whole


class Recorder:
    """Keeps rows until `take`, and writes what was taken.

    `add` takes the values of the `noted` columns, and costs one `pack_into`; the others are ABSENT in what is taken.
    The two halves are apart so that the loop which adds never waits for the disk.
    A write that fails is kept in `error`; rows that are not in the file are counted in `rows_lost`.
    """

    def __init__(self, path: Path, buffer_rows: int = BUFFER_ROWS, noted: Sequence[str] = COLUMN_NAMES) -> None:
        self.path = path
        self.error: str | None = None
        self.rows_written = 0
        self.rows_lost = 0
        self._is_whole = True  # every batch is in the file
        self._refused = False  # neither the file nor another place takes more rows
        packer = row_struct(noted)
        self._row_bytes = packer.size
        self._capacity_bytes = buffer_rows * packer.size
        self._noted = tuple(noted)
        self._noted_dtype = row_dtype(noted)
        self._rows_taken = 0
        self._full: list[bytearray] = []
        self._buffer = bytearray(self._capacity_bytes)
        self._end = 0
        self._pack = packer.pack_into
        self._stream: ArrowStream | None = None

    def open(self) -> None:
        """Make the file and write its schema; a failure is kept in `error`."""
        try:
            self._stream = ArrowStream(self.path, row_schema(), rescue=True)
            to_batch(np.zeros(1, row_dtype()))  # what a first time costs is paid before the load starts
        except OSError as error:
            self._fail(error)

    def add(self, *values: int) -> None:
        """Keep one row; the order of `values` is that of `noted`."""
        end = self._end
        if end == self._capacity_bytes:
            self._full.append(self._buffer)
            self._buffer = bytearray(self._capacity_bytes)
            end = 0
        self._pack(self._buffer, end, *values)
        self._end = end + self._row_bytes

    @property
    def rows_waiting(self) -> int:
        """Rows added since the last `take`."""
        return (len(self._full) * self._capacity_bytes + self._end) // self._row_bytes

    @property
    def rows_added(self) -> int:
        """Rows added since the beginning."""
        return self._rows_taken + self.rows_waiting

    def take(self) -> Rows:
        """All rows added since the last `take`, as one array that nobody else writes to."""
        self._rows_taken += self.rows_waiting
        parts, self._full = self._full, []
        tail = self._buffer[: self._end]
        self._end = 0
        noted = np.frombuffer(bytearray().join([*parts, tail]), dtype=self._noted_dtype)
        return noted if self._noted == COLUMN_NAMES else _with_the_others(noted)

    def write(self, rows: Rows) -> None:
        """Append `rows` to the file as one record batch."""
        if self._stream is None or self._refused:
            self.rows_lost += rows.size
            return
        if not rows.size:
            return
        try:
            self._stream.append(to_batch(rows))
        except OSError as error:
            self._refused = not isinstance(error, RowsElsewhereError)
            self._is_whole = False
            self._fail(error)
        if self._is_whole:
            self.rows_written += rows.size
        else:
            self.rows_lost += rows.size

    def close(self) -> None:
        """Write the end of the stream."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            stream.close()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        said = f"{self.path.name}: {error.strerror or error}"
        if self.error is None or isinstance(error, RowsElsewhereError):
            self.error = said if self.error is None else f"{self.error}; {said}"


def _with_the_others(noted: Rows) -> Rows:
    """All columns; those that were not noted are ABSENT."""
    dtype = row_dtype()
    blank = np.array((ABSENT,) * len(COLUMN_NAMES), dtype).tobytes()
    rows = np.frombuffer(bytearray(blank) * noted.size, dtype)  # `np.full` takes twice as long
    for name in noted.dtype.names or ():
        rows[name] = noted[name]
    return rows


def to_batch(rows: Rows) -> pa.RecordBatch:
    """`rows` as Arrow columns; ABSENT becomes null where the column may be null."""
    import pyarrow as pa

    schema = row_schema()
    columns = []
    for field in schema:
        values = np.ascontiguousarray(rows[field.name])
        present = values != ABSENT if field.nullable else None
        # From buffers: `pa.array` would import pandas where it is installed, which takes longer than a load may pause.
        bits = None if present is None or present.all() else pa.py_buffer(np.packbits(present, bitorder="little"))
        columns.append(pa.Array.from_buffers(field.type, values.size, [bits, pa.py_buffer(values)]))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def read_rows(path: Path, unread: Collection[str] = ()) -> pa.Table:
    """The rows of a requests file: all of `requests.parquet`, `requests.arrow` up to its last whole record batch.

    Where the file is cut off, the table's schema metadata holds how many bytes could not be read
    (`unreadable_bytes(table)`). A file without even a schema gives an empty table. Columns that a file of an earlier
    version lacks are null, and so are those of `unread` in a Parquet file.
    """
    table, unreadable = _read_parquet(path, unread) if path.suffix == SUFFIX else _read_stream(path)
    return table.replace_schema_metadata({UNREADABLE_BYTES: str(unreadable)}) if unreadable else table


def _read_stream(path: Path) -> tuple[pa.Table, int]:
    batches, unreadable = read_batches(path)
    return _as_of_now(batches), unreadable


def _read_parquet(path: Path, unread: Collection[str]) -> tuple[pa.Table, int]:
    """A Parquet file has its index at its end: where it is damaged, nothing of it can be read."""
    import pyarrow as pa

    try:
        shown = read_parquet(path, unread)
        if shown is not None:
            return recorded_rows(shown), 0
    except (pa.ArrowException, KeyError, TypeError, ValueError):
        pass
    return row_schema().empty_table(), path.stat().st_size


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


def unreadable_bytes(table: pa.Table) -> int:
    """How many bytes at the end of the file `read_rows` could not read."""
    return int((table.schema.metadata or {}).get(UNREADABLE_BYTES, 0))
