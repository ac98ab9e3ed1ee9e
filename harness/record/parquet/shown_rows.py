"""Rows as `requests.parquet` shows them: codes are names, and the schema says what each column means."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from harness.record.rows import COLUMNS, Outcome, Phase, row_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from enum import IntEnum

    import pyarrow as pa

NOTES = b"sweepspot"  # key of the file's own notes in the metadata of its schema
NAMES = {"outcome": Outcome, "phase": Phase}
REQUEST_CLASS, CHECKED = "request_class", "checked"


class RowNotes(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of rows says of itself, as JSON in the metadata of its schema."""

    request_classes: tuple[str, ...] = ()  # by their number within this load process
    clock_offset_ns: int = 0  # to add to every instant, for the clock of the machine that ran the sweep
    clock: str = "CLOCK_MONOTONIC of the machine of this load process"


def shown_rows(notes: RowNotes) -> Callable[[pa.Table], pa.Table]:
    """A function from rows as they were recorded to rows as they are shown."""
    return partial(_shown, notes)


def recorded_rows(shown: pa.Table) -> pa.Table:
    """Rows as they were recorded, from rows as they are shown. Raises pa.ArrowException, KeyError."""
    import pyarrow as pa

    notes = msgspec.json.decode(shown.schema.metadata[NOTES], type=RowNotes)
    names = {**{name: _lower(kind) for name, kind in NAMES.items()}, REQUEST_CLASS: notes.request_classes}
    columns = []
    for field in row_schema():
        column = shown.column(field.name) if field.name in shown.column_names else pa.nulls(len(shown), field.type)
        columns.append((_codes(column, names[field.name]) if field.name in names else column).cast(field.type))
    return pa.table(columns, schema=row_schema())


def _shown(notes: RowNotes, rows: pa.Table) -> pa.Table:
    import pyarrow as pa

    columns, fields = [], []
    for about in COLUMNS:
        if about.name not in rows.column_names:  # a file of an earlier version
            continue
        column = rows.column(about.name)
        if about.name in NAMES:
            column = _named(column, _lower(NAMES[about.name]))
        elif about.name == REQUEST_CLASS:
            column = _named(column, notes.request_classes)
        elif about.name == CHECKED:
            column = column.cast(pa.bool_())
        columns.append(column)
        says = {"description": about.doc, **({"unit": about.unit} if about.unit else {})}
        fields.append(pa.field(about.name, column.type, about.nullable, says))
    return pa.table(columns, schema=pa.schema(fields, {NOTES: msgspec.json.encode(notes)}))


def _lower(kind: type[IntEnum]) -> tuple[str, ...]:
    """The names of an enum whose values count from 0."""
    return tuple(member.name.lower() for member in kind)


def _named(codes: pa.ChunkedArray, names: Sequence[str]) -> pa.ChunkedArray:
    """Codes as a dictionary column of `names`. Raises pa.ArrowInvalid for a code that has none."""
    import pyarrow as pa

    kind = pa.dictionary(pa.int16(), pa.string())
    dictionary = pa.array(names, pa.string())
    chunks = [pa.DictionaryArray.from_arrays(chunk.cast(pa.int16()), dictionary) for chunk in codes.chunks]
    return pa.chunked_array(chunks, kind)


def _codes(column: pa.ChunkedArray, names: Sequence[str]) -> pa.ChunkedArray:
    """The place of each value in `names`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    known = pa.array(names, pa.string())
    kind = pa.int32()
    return pa.chunked_array([pc.index_in(chunk.dictionary, known).take(chunk.indices) for chunk in column.chunks], kind)
