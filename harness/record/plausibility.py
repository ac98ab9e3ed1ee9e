"""Leaves out of files that may be damaged what cannot have been recorded: bytes that are valid Arrow may be anything.

No number is judged that would ask for a histogram of 10^18 bins or point to an outcome that does not exist.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_S
from harness.record.rows import COLUMNS, Outcome, Phase
from harness.record.worker_merge import INSTANTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa
    from numpy.typing import NDArray

    from harness.record.load_report import LoadReport

    Bounds = tuple[int, int]

HOUR_NS = 3600 * NS_PER_S
LONGEST_NS = 30 * 24 * HOUR_NS  # of a trial, and of anything in it
MOST_CLASSES = 1000
_MOST = {"outcome": len(Outcome) - 1, "phase": len(Phase) - 1, "checked": 1, "status": 999, "label": 10**6}
_MOST |= {"predicted": 10**6, "batch_size": 10**6, "user": 10**7, "payload": 10**8, "worker": 2**15 - 1}
_MOST |= {"request_class": MOST_CLASSES - 1}


def plausible_reports(reports: Iterable[LoadReport]) -> tuple[LoadReport, ...]:
    """The reports whose instants follow each other within the longest trial, and whose counts are none below 0."""
    return tuple(report for report in reports if _is_plausible(report))


def plausible_rows(rows: pa.Table, reports: Sequence[LoadReport]) -> pa.Table:
    """The rows that may have been recorded in the time of these reports; without any, around the median row."""
    if not rows.num_rows:
        return rows
    start_ns, end_ns = _span(rows["due_ns"].to_numpy(), reports)
    classes = max((len(report.request_classes) for report in reports), default=MOST_CLASSES)
    bounds = {about.name: (0, _most(about.name)) for about in COLUMNS} | {"request_class": (0, classes - 1)}
    bounds |= dict.fromkeys(INSTANTS, (start_ns, end_ns))
    return _within(rows, bounds)


def plausible_instants(table: pa.Table, column: str, reports: Sequence[LoadReport]) -> pa.Table:
    """The lines whose instant in `column` lies in the time of these reports; without any, around the median line."""
    if not table.num_rows:
        return table
    return _within(table, {column: _span(table[column].to_numpy(), reports)})


def _is_plausible(report: LoadReport) -> bool:
    instants = [report.start_ns, report.measure_start_ns, report.measure_end_ns]
    known = [at for at in instants if at is not None]
    counts = (report.scheduled, report.sent, report.ok, report.not_sent, report.worker, report.rows_written)
    in_order = all(a <= b for a, b in pairwise(known)) and known[-1] - known[0] <= LONGEST_NS
    return in_order and min(counts) >= 0 and 0 < len(report.request_classes) <= MOST_CLASSES


def _span(instants_ns: NDArray[np.int64], reports: Sequence[LoadReport]) -> Bounds:
    if reports:
        return min(each.start_ns for each in reports) - HOUR_NS, max(each.start_ns for each in reports) + LONGEST_NS
    middle_ns = int(np.partition(instants_ns, instants_ns.size // 2)[instants_ns.size // 2])
    return middle_ns - 24 * HOUR_NS, middle_ns + 24 * HOUR_NS


def _most(name: str) -> int:
    return _MOST.get(name, LONGEST_NS if name.endswith("_ns") else 2**31 - 1)


def _within(table: pa.Table, bounds: dict[str, Bounds]) -> pa.Table:
    """The lines of which every known number lies within its bounds."""
    import pyarrow as pa

    keep = np.ones(table.num_rows, np.bool_)
    for name, (least, most) in bounds.items():
        column = table[name]
        if column.null_count < len(column):
            values = column.fill_null(max(least, 0)).to_numpy()
            keep &= (values >= least) & (values <= most)
    return table if keep.all() else table.filter(pa.array(keep))
