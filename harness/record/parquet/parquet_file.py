"""The files of a finished trial as Parquet, which pandas, Polars and DuckDB read.

The load process appends uncompressed Arrow batches: that costs it the least, and outlives `kill -9`. When the trial has
ended, `replace_by_parquet` puts a tenth of the bytes in their place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.files import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    import pyarrow as pa
    import pyarrow.parquet as pq

SUFFIX = ".parquet"
ROWS_PER_GROUP = 262_144  # bounds the memory that writing takes


def present(folder: Path, name: str) -> list[Path]:
    """The files `name*` of a trial, sorted: the Parquet file where there is one, else the Arrow stream."""
    streams = {path.stem: path for path in folder.glob(f"{name}*.arrow")}
    files = {path.stem: path for path in folder.glob(f"{name}*{SUFFIX}")}
    return [path for _, path in sorted({**streams, **files}.items()) if path.is_file()]


def replace_by_parquet(stream: Path, shown: Callable[[pa.Table], pa.Table]) -> bool:
    """Replace an Arrow stream by a Parquet file of the same name, with its rows as `shown` gives them.

    A stream that is cut off or damaged stays as it is, and so it does where the disk is full: returns False.
    """
    import pyarrow as pa

    try:
        with replacing(stream.with_suffix(SUFFIX)) as partial:
            _write(stream, partial, shown)
    except (pa.ArrowException, OSError):
        return False
    stream.unlink()
    return True


def read_parquet(path: Path, unread: Collection[str] = ()) -> pa.Table | None:
    """All rows of the file; None where it is damaged. Raises OSError where there is none.

    `unread`: columns of numbers that are not wanted, and are null.

    A column has all its values in one piece, so that NumPy can take it as it is. One column is read after the other:
    at no time are all columns in memory in two forms.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with path.open("rb") as file:
        try:
            source = pq.ParquetFile(file, page_checksum_verification=True)
            schema = source.schema_arrow
            columns = [
                _nothing(source.metadata.num_rows, field)
                if field.name in unread or _is_unknown(source.metadata, field)
                else _column(source, field)
                for field in schema
            ]
            return pa.table(columns, schema=schema)
        except (pa.ArrowException, OSError):
            return None


def _column(source: pq.ParquetFile, field: pa.Field) -> pa.ChunkedArray:
    import pyarrow as pa

    column = source.read(columns=[field.name]).column(0)
    return column if pa.types.is_dictionary(field.type) else pa.chunked_array([column.combine_chunks()], field.type)


def _nothing(rows: int, field: pa.Field) -> pa.ChunkedArray:
    """A column of nulls, whose pieces share the memory of one."""
    import pyarrow as pa

    piece = pa.nulls(min(rows, ROWS_PER_GROUP), field.type)
    whole, rest = divmod(rows, max(1, len(piece)))
    return pa.chunked_array([*[piece] * whole, piece[:rest]], field.type)


def _is_unknown(file: pq.FileMetaData, field: pa.Field) -> bool:
    """Whether the statistics of the file say that a column of numbers holds none."""
    import pyarrow as pa

    if not pa.types.is_integer(field.type):
        return False
    place = file.schema.to_arrow_schema().get_field_index(field.name)
    groups = map(file.row_group, range(file.num_row_groups))
    known = [(group.column(place).statistics, group.num_rows) for group in groups]
    return all(each is not None and each.has_null_count and each.null_count == rows for each, rows in known)


def whole_table(path: Path, schema: pa.Schema) -> pa.Table:
    """All rows of the file in `schema`; none where it is damaged. Raises OSError where there is none."""
    import pyarrow as pa

    try:
        table = read_parquet(path)
        return schema.empty_table() if table is None else table.select(schema.names).cast(schema)
    except (pa.ArrowException, KeyError, ValueError):
        return schema.empty_table()


def _write(stream: Path, to: Path, shown: Callable[[pa.Table], pa.Table]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pa.OSFile(str(stream), "rb") as source, pa.ipc.open_stream(source) as reader:
        schema = shown(reader.schema.empty_table()).schema
        with pq.ParquetWriter(to, schema, **_encoding(schema)) as writer:
            for table in _groups(reader):
                writer.write_table(shown(table), row_group_size=ROWS_PER_GROUP)
        if source.tell() != source.size():
            raise pa.ArrowInvalid(f"{stream.name}: bytes behind the end of the stream")


def _groups(batches: pa.RecordBatchReader) -> Iterator[pa.Table]:
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= ROWS_PER_GROUP:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _encoding(schema: pa.Schema) -> dict[str, Any]:
    """Long integers are instants and durations, whose differences are small; other values repeat."""
    import pyarrow as pa

    long: list[str] = []
    others: list[str] = []
    for field in schema:
        leaf = f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name
        of_instants = pa.types.is_int64(field.type.value_type if pa.types.is_list(field.type) else field.type)
        (long if of_instants else others).append(leaf)
    return {
        "compression": "zstd",
        "write_page_checksum": True,
        "use_dictionary": others,
        "column_encoding": dict.fromkeys(long, "DELTA_BINARY_PACKED"),
    }
