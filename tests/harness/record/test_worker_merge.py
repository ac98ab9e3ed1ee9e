import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from harness.record.load_report import LoadReport, LoopHealth
from harness.record.rows import row_schema
from harness.record.worker_merge import align_classes, report_to_master_time

COUNTS = dict.fromkeys(
    ["scheduled", "not_sent", "sent", "ok", "wrong", "error", "timeout", "rejected", "aborted", "rows_written"], 0
)
INSTANTS = dict.fromkeys(["measure_start_ns", "measure_end_ns", "drain_end_ns"])


def report(worker, *classes):
    return LoadReport(
        worker=worker, pid=1, final=True, stop_reason="", start_ns=0, **INSTANTS, **COUNTS,
        request_classes=classes, class_slos=("",) * len(classes),
    )  # fmt: skip


def shard(worker, classes):
    columns = {name: np.zeros(len(classes), np.int64) for name in row_schema().names}
    columns |= {"worker": np.full(len(classes), worker), "request_class": np.array(classes)}
    return pa.table(columns).cast(row_schema())


def test_classes_that_workers_met_in_another_order_get_one_numbering():
    shards, reports = align_classes(
        [shard(0, [0, 1, 1]), shard(1, [0, 1, 2])],
        [report(0, "predict", "health"), report(1, "health", "x", "predict")],
    )
    assert {each.request_classes for each in reports} == {("predict", "health", "x")}
    assert [each["request_class"].to_pylist() for each in shards] == [[0, 1, 1], [1, 2, 0]]
    assert all(each.schema == row_schema() for each in shards)


def test_alike_ones_are_left_alone():
    shards, reports = [shard(0, [0, 1]), shard(1, [])], [report(0, "a", "b"), report(1, "a", "b")]
    assert align_classes(shards, reports) == (shards, reports)


def test_all_instants_of_a_report_are_put_on_the_masters_clock():
    here = replace(
        report(0, "predict"),
        **dict.fromkeys(("start_ns", "counted_ns", "measure_start_ns", "measure_end_ns", "drain_end_ns"), 100),
        clock_offset_ns=-30, health=LoopHealth(cpu_ns=1, wall_ns=2, stalls_ns=((110, 140), (150, 190))),
    )  # fmt: skip
    moved = report_to_master_time(here)
    assert (moved.start_ns, moved.counted_ns, moved.measure_start_ns) == (70, 70, 70)
    assert (moved.measure_end_ns, moved.drain_end_ns) == (70, 70)
    assert moved.health == LoopHealth(cpu_ns=1, wall_ns=2, stalls_ns=((80, 110), (120, 160)))
