"""Harmed stretches, worked out by hand; unflattering on servers that stand still for others (benchmarks have more)."""

import numpy as np
import pytest

from harness.judge.numbers.machine.backlog import Requests
from harness.judge.numbers.machine.harmed_time import Culprit, Stretches, unharmed_time

MS = 1_000_000
WINDOW = (0, 1000 * MS)


def stretches(count=10, **marked):
    """`count` stretches of 100 ms; of each kind of evidence the given values at some of them, nothing elsewhere."""
    columns = {name: np.zeros(count) for name in ("foreign_cores", "waited_cores", "stolen_cores")}
    columns |= {name: np.zeros(count, dtype=bool) for name in ("silent", "late")}
    for name, values in marked.items():
        for index, value in values.items():
            columns[name][index] = value
    return Stretches(np.arange(count + 1) * 100 * MS, **columns)


def closed(period_ms=10, took_ms=10, until_ms=1000):
    """One user who asks every `period_ms`."""
    due = np.arange(0, until_ms, period_ms) * MS
    return Requests(due, due + took_ms * MS, open_loop=False)


def pieces(clean):
    return [(int(start) // MS, int(end) // MS) for start, end in zip(clean.starts_ns, clean.ends_ns, strict=True)]


def test_without_harm_the_whole_window_counts():
    clean = unharmed_time(WINDOW, stretches(), closed())
    assert pieces(clean) == [(0, 1000)]
    assert (clean.usable_share, clean.harmed_share, clean.guard_ns, clean.enough) == (1.0, 0.0, 0, True)


def test_a_stretch_in_which_others_ran_and_threads_waited_is_left_out():
    seen = stretches(foreign_cores={3: 0.4}, waited_cores={3: 0.3})
    clean = unharmed_time(WINDOW, seen, closed())
    # No request is open at 400 ms: the next piece begins there. Each request takes 10 ms, so 290 to 300 is guarded.
    assert pieces(clean) == [(0, 300), (400, 1000)]
    assert clean.guard_ns == 10 * MS
    assert clean.due_ends_ns.tolist() == [290 * MS, 1000 * MS]
    assert clean.usable_share == pytest.approx(0.89)
    assert clean.culprits == {Culprit.PROCESSES: pytest.approx(0.1)}


def test_others_on_cores_for_which_nobody_waits_do_no_harm():
    assert unharmed_time(WINDOW, stretches(foreign_cores={3: 0.4}), closed()).usable_share == 1.0


def test_what_others_take_counts_against_what_a_response_takes():
    # 9 ms in one of ten stretches: much for responses of 10 ms, 0.9 % of one that takes a second.
    seen = stretches(count=30, foreign_cores={5: 0.09, 15: 0.09, 25: 0.09}, waited_cores={5: 0.09, 15: 0.09, 25: 0.09})
    quick, slow = closed(until_ms=3000), closed(period_ms=1000, took_ms=1000, until_ms=3000)
    window = (0, 3000 * MS)
    assert unharmed_time(window, seen, quick, 10 * MS).usable_share == pytest.approx(0.89)  # 10 ms are guarded each
    assert unharmed_time(window, seen, slow, 1000 * MS).usable_share == 1.0


def test_a_core_that_is_taken_harms_slow_responses_too():
    taken = dict.fromkeys(range(10, 20), 1.0)
    seen = stretches(count=40, foreign_cores=taken, waited_cores=taken)
    slow = closed(period_ms=500, took_ms=500, until_ms=4000)
    clean = unharmed_time((0, 4000 * MS), seen, slow, 500 * MS)
    # Five stretches are averaged: the two before and after it see a fifth of a core and more; then what is open ends.
    assert pieces(clean) == [(0, 800), (2500, 4000)]
    assert clean.culprits == {Culprit.PROCESSES: pytest.approx(14 / 40)}


def test_what_is_not_known_is_left_out_of_an_average():
    seen = stretches(count=10, foreign_cores={0: np.nan, 1: np.nan, 2: np.nan, 4: 0.3})
    found = seen.averaged(300 * MS).foreign_cores
    assert np.isnan(found[:2]).all()
    assert found[2:] == pytest.approx([0.0, 0.15, 0.1, 0.1, 0.0, 0.0, 0.0, 0.0])
    assert seen.averaged(149 * MS) is seen


def test_threads_that_wait_for_each_other_are_not_harmed():
    assert unharmed_time(WINDOW, stretches(waited_cores={3: 0.9, 4: 0.9}), closed()).usable_share == 1.0


def test_which_stretches_go_depends_on_others_alone_and_not_on_how_busy_the_target_was():
    # Others ran in 2 and 7; threads waited much in 7, where the target was busy, and little in 2: both go.
    seen = stretches(foreign_cores={2: 0.4, 7: 0.4}, waited_cores={2: 0.01, 7: 0.5})
    assert pieces(unharmed_time(WINDOW, seen, closed())) == [(0, 200), (300, 700), (800, 1000)]


def test_where_nobody_counted_waiting_others_are_enough():
    seen = stretches(foreign_cores={3: 0.4}, waited_cores=dict.fromkeys(range(10), np.nan))
    assert pieces(unharmed_time(WINDOW, seen, closed())) == [(0, 300), (400, 1000)]


@pytest.mark.parametrize(
    ("marked", "culprit"),
    [
        ({"stolen_cores": {3: 0.2}}, Culprit.HYPERVISOR),
        ({"silent": {3: True}}, Culprit.STANDSTILL),
        ({"late": {3: True}}, Culprit.GENERATOR),
    ],
)
def test_every_culprit(marked, culprit):
    clean = unharmed_time(WINDOW, stretches(**marked), closed())
    assert pieces(clean) == [(0, 300), (400, 1000)]
    assert list(clean.culprits) == [culprit]


def test_what_is_not_known_is_no_harm():
    unknown = dict.fromkeys(range(10), np.nan)
    seen = stretches(foreign_cores=unknown, waited_cores=unknown, stolen_cores=unknown)
    assert unharmed_time(WINDOW, seen, closed()).usable_share == 1.0


def test_what_was_open_at_the_end_of_a_harmed_stretch_must_end_first():
    # The request due at 390 ms takes until 415: the piece begins at the next edge.
    asked = closed()
    done = asked.done_ns.copy()
    done[39] = 415 * MS
    seen = stretches(foreign_cores={3: 0.4}, waited_cores={3: 0.4})
    assert pieces(unharmed_time(WINDOW, seen, Requests(asked.due_ns, done, open_loop=False))) == [(0, 300), (500, 1000)]


def test_a_request_that_hangs_does_not_take_the_rest_of_the_trial_with_it():
    asked = closed()
    done = asked.done_ns.copy()
    done[35] = 10**15
    seen = stretches(foreign_cores={3: 0.4}, waited_cores={3: 0.4})
    # 20 medians of 10 ms later, at 600 ms, patience ends.
    assert pieces(unharmed_time(WINDOW, seen, Requests(asked.due_ns, done, open_loop=False))) == [(0, 300), (600, 1000)]


def test_harm_before_the_window_leaves_its_backlog_in_it():
    asked = closed()
    done = asked.done_ns.copy()
    done[19] = 230 * MS
    seen = stretches(foreign_cores={1: 0.4}, waited_cores={1: 0.4})
    clean = unharmed_time((200 * MS, 1000 * MS), seen, Requests(asked.due_ns, done, open_loop=False))
    assert pieces(clean) == [(300, 1000)]
    assert clean.harmed_share == 0.0


def test_an_open_loop_recovers_when_no_more_are_open_than_usual():
    # One every 10 ms that takes 5; those due from 300 on wait for 400 and are worked off one each 5 ms: the n-th of
    # them ends at 400 + 5 n, while those that come until then join, until it is caught up with at 500 ms.
    due = np.arange(0, 1000, 10) * MS
    done = due + 5 * MS
    backlog = np.arange(30, 50)
    done[backlog] = (400 + 5 * np.arange(1, 21)) * MS
    seen = stretches(foreign_cores={3: 0.4}, waited_cores={3: 0.4})
    clean = unharmed_time(WINDOW, seen, Requests(due, done, open_loop=True))
    assert pieces(clean) == [(0, 300), (500, 1000)]
    # Those open at 400 have ended by 450: without the rule for open loops the piece would begin at 500 only for that.
    # With twice the backlog it ends later.
    done[30:70] = (400 + 7.5 * np.arange(1, 41)) * MS
    assert pieces(unharmed_time(WINDOW, seen, Requests(due, done, open_loop=True))) == [(0, 300), (700, 1000)]


def test_an_open_loops_rest_of_a_backlog_is_counted():
    # The request due at 390 ms ends at 430, so a piece begins at 500, where five are open: more end in the pieces than
    # come in them. At 300 and 1000 ms none is open.
    due = np.arange(0, 1000, 10) * MS
    done = due + 1 * MS
    done[39] = 430 * MS
    done[45:50] = 505 * MS
    seen = stretches(foreign_cores={3: 0.4}, waited_cores={3: 0.4})
    clean = unharmed_time(WINDOW, seen, Requests(due, done, open_loop=True))
    assert pieces(clean) == [(0, 300), (500, 1000)]
    assert clean.worked_off == 5
    assert unharmed_time(WINDOW, seen, Requests(due, done, open_loop=False)).worked_off == 0


def test_time_is_joined_over_the_gaps():
    seen = stretches(foreign_cores={3: 0.4}, waited_cores={3: 0.4})
    clean = unharmed_time(WINDOW, seen, closed())
    at = np.array([0, 299, 400, 999]) * MS
    assert clean.holds(at).all()
    assert not clean.holds(np.array([-1, 300 * MS, 399 * MS, 1000 * MS])).any()
    assert (clean.joined_ns(at) // MS).tolist() == [0, 299, 300, 899]
    assert clean.holds_due(np.array([289, 290]) * MS).tolist() == [True, False]


def test_too_little_left_is_not_enough():
    marked = dict.fromkeys(range(6), 0.5)
    clean = unharmed_time(WINDOW, stretches(foreign_cores=marked, waited_cores=marked), closed())
    assert clean.usable_share == pytest.approx(0.4)
    assert not clean.enough  # 0.4 s


def test_all_harmed_leaves_nothing():
    marked = dict.fromkeys(range(10), 0.5)
    clean = unharmed_time(WINDOW, stretches(foreign_cores=marked, waited_cores=marked), closed())
    assert pieces(clean) == []
    assert (clean.usable_share, clean.seconds, clean.enough) == (0.0, 0.0, False)
    assert not clean.holds(np.array([5 * MS])).any()


def test_leaving_out_does_not_flatter_a_server_that_is_slow_by_itself():
    """One user; each answer takes 1 ms, each 50th 20 ms. A quarter of the stretches stands still for others."""
    rng = np.random.default_rng(5)
    medians, tails = [], []
    for _ in range(20):
        service = np.where(rng.random(20_000) < 0.02, 20, 1) * 1e6
        frozen = rng.random(100) < 0.25
        # Working time runs in the stretches that are not frozen; instants in it, mapped to real time.
        edges = np.arange(101) * 100 * MS
        work = np.concatenate(([0], np.cumsum(np.where(frozen, 0, 100 * MS))))
        done = np.interp(np.cumsum(service), work + np.arange(101) * 1e-6, edges)
        due = np.concatenate(([0], done[:-1]))
        kept = due < edges[-2]
        seen = Stretches(
            edges, frozen * 1.0, frozen * 1.0, np.zeros(100), np.zeros(100, dtype=bool), np.zeros(100, dtype=bool)
        )
        asked = Requests(due[kept].astype(np.int64), done[kept].astype(np.int64), open_loop=False)
        clean = unharmed_time((0, int(edges[-2])), seen, asked)
        response = (asked.done_ns - asked.due_ns)[clean.holds_due(asked.due_ns)]
        medians.append(np.median(response) / MS)
        tails.append(np.mean(response > 10 * MS))
    assert np.mean(medians) == pytest.approx(1.0, abs=0.01)
    # 2 % are slow. A rule that drops what runs into harm would see fewer: the long ones run into it more often.
    assert np.mean(tails) == pytest.approx(0.02, abs=3 * np.std(tails) / np.sqrt(20))
