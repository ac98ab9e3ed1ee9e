"""The truth is worked out from a server's log and the schedule, by hand here."""

import numpy as np
import pytest

from harness.calibration.true_values import Driven, ServerLog, closed_values, due_times_ns, origin_ns, true_values
from harness.plan.arrivals import Closed, Constant
from harness.record.rows import Window

MS = 1_000_000
S = 1_000_000_000
HEADER = "arrived_ns,start_ns,due_ns,answered_ns,outcome\n"


@pytest.fixture
def log(tmp_path):
    def write(*lines):
        path = tmp_path / "truth.csv"
        text = "".join(
            f"{arrived},{arrived},0,{'' if done is None else done},{outcome}\n" for arrived, done, outcome in lines
        )
        path.write_text(HEADER + text)
        return ServerLog.read(path)

    return write


def test_an_open_loop_is_timed_from_when_requests_were_due(log):
    # One request each 100 ms from 1 s on; the second leaves 30 ms late, and nobody but the schedule knows.
    lines = [(1_000 * MS, 1_005 * MS, "ok"), (1_130 * MS, 1_135 * MS, "ok"), (1_200 * MS, 1_205 * MS, "ok")]
    driven = Driven(Constant(rate_rps=10), seed=0, origin_ns=S, window=Window(S, S + 300 * MS))
    true = true_values(log(*lines), driven)
    assert true["p50_ms"] == 5
    assert true["max_ms"] == 35
    assert true["rows"] == 3
    assert true["throughput_rps"] == 10
    assert true["failed_share"] == true["wrong_share"] == 0


def test_only_what_was_due_in_the_window_counts_and_every_row_does(log):
    lines = [(S + number * 100 * MS, S + number * 100 * MS + 5 * MS, "ok") for number in range(10)]
    driven = Driven(Constant(rate_rps=10), seed=0, origin_ns=S, window=Window(S + 500 * MS, S + 700 * MS))
    true = true_values(log(*lines), driven)
    assert true["rows"] == 10
    assert true["throughput_rps"] == 10


def test_shares_are_of_the_requests_due_in_the_window(log):
    outcomes = [("ok", 5), ("wrong", 5), ("hang", None), ("error", 5)]
    lines = [
        (S + number * MS, None if ms is None else S + (number + ms) * MS, outcome)
        for number, (outcome, ms) in enumerate(outcomes)
    ]
    true = true_values(log(*lines), Driven(Closed(users=1), 0, S, Window(S, 2 * S)))
    assert true["failed_share"] == 0.5
    assert true["wrong_share"] == 0.25
    assert true["max_ms"] == 5


def test_a_request_that_the_server_still_held_has_no_response_time(log):
    true = true_values(
        log((S, None, "ok"), (S + MS, S + 3 * MS, "ok")), Driven(Closed(users=2), 0, S, Window(S, 2 * S))
    )
    assert true["max_ms"] == true["p50_ms"] == 2


def test_the_due_times_are_those_of_the_schedule():
    driven = Driven(Constant(rate_rps=1000), seed=0, origin_ns=7 * S, window=Window(7 * S, 8 * S))
    expected = 7 * S + np.concatenate([block for block, _ in zip(driven.arrivals.schedule(0), range(2), strict=False)])
    assert due_times_ns(driven, 5_000).tolist() == expected[expected < 8 * S].tolist()
    assert due_times_ns(driven, 10).tolist() == expected[:10].tolist()
    assert origin_ns(8 * S, 0.5) == 7 * S + 500 * MS


def test_a_closed_loop_is_timed_from_arrival_over_all_of_its_run(log):
    lines = [(S, S + 10 * MS, "ok"), (S + 10 * MS, S + 30 * MS, "ok"), (S + 30 * MS, None, "hang")]
    true = closed_values(log(*lines), seconds=0.02)
    assert true["rows"] == 3
    assert true["throughput_rps"] == 50  # the second answer comes after the 20 ms
    assert (true["p50_ms"], true["max_ms"]) == (10, 20)
    assert true["failed_share"] == pytest.approx(1 / 3)
    assert closed_values(log(), seconds=1.0) == {}
