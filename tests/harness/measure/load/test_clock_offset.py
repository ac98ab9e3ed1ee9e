"""Another machine's clock, from questions and answers whose truth is known."""

import pytest
from evidence_of import START, S, closed_loop, report_of

from harness.measure.load.clock_offset import ClockExchange, clock_id, offset_of
from harness.record.worker_merge import INSTANTS, report_to_master_time, rows_to_master_time


def test_the_quickest_exchange_decides_and_the_truth_is_within_its_error():
    true_ns = 7_000_000_123
    slow = ClockExchange(asked_ns=0, theirs_ns=true_ns + 900, answered_ns=1_000)  # 900 of 1 000 ns on the way there
    quick = ClockExchange(asked_ns=5_000, theirs_ns=true_ns + 5_010, answered_ns=5_100)
    found = offset_of([slow, quick])
    assert found.error_ns == 51
    assert abs(found.offset_ns - true_ns) <= found.error_ns
    alone = offset_of([slow])
    assert abs(alone.offset_ns - true_ns) <= alone.error_ns == 501
    assert offset_of([]) is None


def test_a_machine_knows_itself():
    assert clock_id() == clock_id() != ""


def test_rows_and_report_move_to_the_masters_clock_and_no_duration_changes():
    rows = closed_loop(seconds=1)
    there = report_of(rows, 1.0, clock_offset_ns=-5 * S, clock_error_ns=200)
    here = report_to_master_time(there)
    assert here.measure_start_ns == START - 5 * S
    assert here.clock_offset_ns == there.clock_offset_ns
    moved = rows_to_master_time(rows, (here,))
    for name in INSTANTS:
        there_ns = rows[name].to_pylist()
        assert moved[name].to_pylist() == [None if at is None else at - 5 * S for at in there_ns]
    assert moved.schema.equals(rows.schema)
    other = report_of(rows, 1.0, worker=3, clock_offset_ns=S)
    assert rows_to_master_time(rows, (other,)).equals(rows)
    assert report_to_master_time(report_of(rows, 1.0)) == report_of(rows, 1.0)


@pytest.mark.parametrize("name", ["due_ns", "done_ns"])
def test_an_instant_that_is_absent_stays_absent(name):
    rows = closed_loop(seconds=1, sent_ns=-1)
    moved = rows_to_master_time(rows, (report_of(rows, 1.0, clock_offset_ns=S),))
    assert moved["sent_ns"].null_count == rows.num_rows
    assert moved[name].null_count == 0
