from __future__ import annotations

import numpy as np

from harness.judge.stats.durations import Durations, ceiling_together, narrowed, ordered_together


def run_of(values, still_open=()):
    return Durations(np.array(values), np.isin(np.arange(len(values)), still_open))


def test_what_is_still_open_is_left_out_once_for_each():
    run = run_of([5, 3, 5, 1, 5, 3], still_open=(0, 4, 5))
    assert run.ended_ns.tolist() == [1, 3, 5]
    assert run_of([2, 1]).ended_ns.tolist() == [1, 2]
    assert run_of([2, 2], still_open=(0, 1)).ended_ns.tolist() == []


def test_runs_together():
    runs = [run_of([4, 2]), run_of([9, 3, 30], still_open=(0,))]
    assert ordered_together(runs, [1.0, 3.0]).tolist() == [1, 2, 3, 4, 10]
    assert ceiling_together(runs, [1.0, 3.0]).tolist() == [1, 2, 4, 10, np.inf]
    assert ordered_together(runs[:1], [1.0]).tolist() == ceiling_together(runs[:1], [1.0]).tolist() == [2, 4]


def test_slower_than_a_limit():
    run = run_of([10, 20, 30, 40], still_open=(0,))
    assert [run.slower_than(limit).seen for limit in (5, 20, 40)] == [4, 2, 0]
    assert run.slower_than(20, 2.0).seen == 0  # 40 at twice the level is 20
    assert run.slower_than(20, open_counts=True).seen == 3
    assert run.slower_than(20).seen == 2  # what was found with open ones does not count for the question without


def test_durations_below_two_seconds_are_kept_in_half_the_memory():
    most = 2**31 - 1
    assert narrowed(np.array([-5, most])).dtype == np.int32
    assert narrowed(np.array([-5, most])).tolist() == [-5, most]
    assert narrowed(np.array([0, most + 1])).tolist() == [0, most + 1]
    assert narrowed(np.array([-(2**40)])).tolist() == [-(2**40)]
    assert narrowed(np.empty(0, np.int64)).size == 0
    runs = [Durations(narrowed(np.array([4, 2])), np.zeros(2, bool)), run_of([2**40])]
    assert ordered_together(runs, [1.0, 1.0]).tolist() == [2, 4, 2**40]
