"""The table of layouts of processes and their speedups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.number_text import percent
from reports import units
from reports.labels import point_label
from reports.views.points_table import Cell, Table, percentile_cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.metrics import PointMetrics
    from harness.judge.run_result import LayoutMetrics, Scaling

_COLUMNS = (
    "Point", "Replicas \u00d7 stages", "Throughput /s", "p99 ms", "Speedup", "Efficiency", "At most",
    "Batches in flight", "Bubble", "Busy",
)  # fmt: skip


def scaling_table(scaling: Scaling | None, points: Sequence[PointMetrics]) -> Table | None:
    """One row per point; None where layouts were not swept."""
    if scaling is None:
        return None
    numbered = {point.point: point for point in points}
    rows = tuple(tuple(_cells(layout, numbered[layout.point])) for layout in scaling.layouts)
    return Table(_COLUMNS, rows, text_columns=2)


def _cells(layout: LayoutMetrics, point: PointMetrics) -> Iterator[Cell]:
    label = point_label(point)
    yield Cell(label, key=label, kind="point")
    shape = f"{layout.replicas} \u00d7 {layout.stages}"
    yield Cell(shape, layout.dispatch if layout.replicas > 1 else "", key=shape, kind="text")
    yield Cell(*units.estimate(point.throughput_rps), key=units.machine_number(point.throughput_rps.value))
    yield percentile_cell(point.response.at(0.99))
    speedup = layout.speedup
    text, interval = units.estimate(speedup, 2) if speedup else ("1", "")
    yield Cell(
        f"{text}\u00d7" if speedup else "1\u00d7", interval, key=units.machine_number(speedup.value if speedup else 1)
    )
    yield _share(1.0 if speedup is None else layout.efficiency)
    most = layout.most_speedup
    yield Cell(units.ABSENT if most is None else f"{units.number(most, 3)}\u00d7", key=units.machine_number(most))
    yield Cell(units.number(layout.batches_in_flight), key=units.machine_number(layout.batches_in_flight))
    yield _share(layout.bubble)
    yield _share(layout.busy_share)


def _share(share: float | None) -> Cell:
    return Cell(units.ABSENT if share is None else percent(share), key=units.machine_number(share))
