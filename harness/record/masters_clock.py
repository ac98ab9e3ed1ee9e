"""What workers on other machines wrote down, with its instants on the master's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa

    from harness.record.load_report import GeneratorReport

INSTANTS = ("due_ns", "sent_ns", "first_byte_ns", "first_token_ns", "done_ns")
_INSTANTS_OF_REPORT = ("start_ns", "measure_start_ns", "measure_end_ns", "drain_end_ns")


def report_on_masters_clock(report: GeneratorReport) -> GeneratorReport:
    """The same report; its `clock_offset_ns` stays, to say what was added."""
    if not report.clock_offset_ns:
        return report
    instants = {name: getattr(report, name) for name in _INSTANTS_OF_REPORT}
    moved = {name: at + report.clock_offset_ns for name, at in instants.items() if at is not None}
    return msgspec.structs.replace(report, **moved)


def rows_on_masters_clock(rows: pa.Table, reports: tuple[GeneratorReport, ...]) -> pa.Table:
    """The rows of one worker; unchanged where its report is missing or its clock is the master's."""
    import pyarrow.compute as pc

    offset_ns = _offset_ns(rows, reports)
    if not offset_ns:
        return rows
    for name in INSTANTS:
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(place), pc.add(rows.column(place), offset_ns))
    return rows


def tokens_on_masters_clock(tokens: pa.Table, reports: tuple[GeneratorReport, ...]) -> pa.Table:
    """The token instants of one worker, in the same way."""
    import pyarrow as pa
    import pyarrow.compute as pc

    offset_ns = _offset_ns(tokens, reports)
    if not offset_ns:
        return tokens
    place = tokens.schema.get_field_index("instants_ns")
    lists = tokens.column(place).combine_chunks()
    moved = pa.ListArray.from_arrays(lists.offsets, pc.add(lists.values, offset_ns), lists.type)
    return tokens.set_column(place, tokens.schema.field(place), moved)


def _offset_ns(table: pa.Table, reports: tuple[GeneratorReport, ...]) -> int:
    offsets_ns = {report.worker: report.clock_offset_ns for report in reports}
    return offsets_ns.get(table["worker"][0].as_py(), 0) or 0 if table.num_rows else 0
