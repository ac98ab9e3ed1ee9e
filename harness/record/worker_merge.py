"""Merges what the load processes of a trial wrote: instants on one clock, request classes in one numbering."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from harness.record.load_report import LoadReport

INSTANTS = ("due_ns", "sent_ns", "first_byte_ns", "first_token_ns", "first_answer_ns", "done_ns")
_INSTANTS_OF_REPORT = ("start_ns", "counted_ns", "measure_start_ns", "measure_end_ns", "drain_end_ns")


def report_to_master_time(report: LoadReport) -> LoadReport:
    """The report with its instants on the master's clock; `clock_offset_ns` stays and says what was added."""
    if not (offset_ns := report.clock_offset_ns):
        return report
    instants = {name: getattr(report, name) for name in _INSTANTS_OF_REPORT}
    moved = {name: at + offset_ns for name, at in instants.items() if at is not None}
    health = report.health
    if health is not None:
        stalls_ns = tuple((start_ns + offset_ns, end_ns + offset_ns) for start_ns, end_ns in health.stalls_ns)
        health = msgspec.structs.replace(health, stalls_ns=stalls_ns)
    return msgspec.structs.replace(report, health=health, **moved)


def rows_to_master_time(rows: pa.Table, reports: tuple[LoadReport, ...]) -> pa.Table:
    """The rows of one worker on the master's clock; unchanged where its report is missing or it shares that clock."""
    import pyarrow.compute as pc

    offset_ns = _offset_ns(rows, reports)
    if not offset_ns:
        return rows
    for name in INSTANTS:
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(place), pc.add(rows.column(place), offset_ns))
    return rows


def tokens_to_master_time(tokens: pa.Table, reports: tuple[LoadReport, ...]) -> pa.Table:
    """The token instants of one worker on the master's clock."""
    import pyarrow as pa
    import pyarrow.compute as pc

    offset_ns = _offset_ns(tokens, reports)
    if not offset_ns:
        return tokens
    place = tokens.schema.get_field_index("instants_ns")
    lists = tokens.column(place).combine_chunks()
    moved = pa.ListArray.from_arrays(lists.offsets, pc.add(lists.values, offset_ns), lists.type)
    return tokens.set_column(place, tokens.schema.field(place), moved)


def _offset_ns(table: pa.Table, reports: tuple[LoadReport, ...]) -> int:
    offsets_ns = {report.worker: report.clock_offset_ns for report in reports}
    return offsets_ns.get(table["worker"][0].as_py(), 0) or 0 if table.num_rows else 0


def align_classes(shards: Sequence[pa.Table], reports: Sequence[LoadReport]) -> tuple[list[pa.Table], list[LoadReport]]:
    """Shards and reports with one numbering of the classes: each load process numbers them in its own order.

    A shard belongs to the report of the worker that its rows name.
    """
    slos = {
        name: slo
        for report in reports
        for name, slo in zip(
            report.request_classes, report.class_slos or [""] * len(report.request_classes), strict=True
        )
    }
    names = tuple(slos)
    if all(report.request_classes == names for report in reports):
        return list(shards), list(reports)
    numbers = {report.worker: [names.index(name) for name in report.request_classes] for report in reports}
    aligned = [
        msgspec.structs.replace(report, request_classes=names, class_slos=tuple(slos.values())) for report in reports
    ]
    return [_renumbered(shard, numbers) for shard in shards], aligned


def _renumbered(shard: pa.Table, numbers: dict[int, list[int]]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    if not shard.num_rows:
        return shard
    mapping = numbers.get(shard["worker"][0].as_py())
    if mapping is None:
        return shard
    place = shard.schema.get_field_index("request_class")
    old = shard["request_class"].to_numpy()
    return shard.set_column(place, shard.schema.field(place), pa.array(np.array(mapping, np.int16)[old]))
