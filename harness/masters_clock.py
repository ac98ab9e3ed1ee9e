"""What workers on other machines wrote down, with its instants on the master's clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa

    from harness.generator import GeneratorReport

INSTANTS = ("due_ns", "sent_ns", "first_byte_ns", "done_ns")
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

    offsets_ns = {report.worker: report.clock_offset_ns for report in reports}
    offset_ns = offsets_ns.get(rows["worker"][0].as_py(), 0) if rows.num_rows else 0
    if not offset_ns:
        return rows
    for name in INSTANTS:
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(place), pc.add(rows.column(place), offset_ns))
    return rows
