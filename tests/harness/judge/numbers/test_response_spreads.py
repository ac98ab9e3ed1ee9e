"""Histograms of response times against counts made by hand."""

import evidence_of as made
import numpy as np

from harness.judge.numbers.response_spreads import MOST_BARS, response_spread, timed_buckets
from harness.judge.numbers.trial_rows import trial_rows
from harness.judge.stats.durations import Durations
from harness.record.rows import Outcome


def rows_of(due_s, response_ms, **columns):
    rows = made.rows_of(made.START + np.asarray(due_s) * made.S, np.asarray(response_ms) * made.MS, **columns)
    return trial_rows(made.evidence_of(rows, seconds=10.0))


def durations(*values_ms):
    return Durations(np.array(values_ms, dtype=np.int64) * made.MS, np.zeros(len(values_ms), dtype=np.bool_))


def test_every_response_is_in_the_bar_that_holds_its_time():
    spread = response_spread([durations(10, 10, 20), durations(40)], [])
    assert sum(spread.counts) == 4
    assert len(spread.edges_ms) == len(spread.counts) + 1 <= MOST_BARS + 1
    for value_ms, count in ((10, 2), (20, 1), (40, 1)):
        (bar,) = (
            place
            for place, (low, high) in enumerate(zip(spread.edges_ms, spread.edges_ms[1:], strict=False))
            if low <= value_ms < high
        )
        assert spread.counts[bar] == count


def test_good_responses_are_counted_by_the_time_they_came():
    outcome = np.array([Outcome.OK, Outcome.OK, Outcome.OK, Outcome.ERROR])
    rows = rows_of([0.0, 0.1, 5.0, 5.0], [10, 10, 1000, 10], outcome=outcome)
    timed = timed_buckets(rows, 1)
    (over_time,) = response_spread([], [timed, None]).over_time
    by_time = {
        round(over_time.start_s + place * over_time.bin_s, 3): sum(row)
        for place, row in enumerate(over_time.counts)
        if sum(row)
    }
    assert over_time.repeat == 1
    assert by_time == {0.0: 2, 6.0: 1}  # the slow one was due at 5 s and came at 6 s
    assert [row for row in over_time.counts if sum(row)][-1][-1] == 1  # in the last bar


def test_where_nothing_came_there_is_none():
    rows = rows_of([0.0], [10], outcome=Outcome.ERROR)
    assert timed_buckets(rows, 0) is None
    assert response_spread([durations()], [None]) is None
