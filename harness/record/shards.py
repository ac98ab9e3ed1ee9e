"""The shards of a trial put together: each load process numbers its request classes in its own order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from harness.record.load_report import GeneratorReport


def align_classes(
    shards: Sequence[pa.Table], reports: Sequence[GeneratorReport]
) -> tuple[list[pa.Table], list[GeneratorReport]]:
    """The same with one numbering of the classes; a shard belongs to the report of the worker that its rows name."""
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
