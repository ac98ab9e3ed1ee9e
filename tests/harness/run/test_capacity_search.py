"""The search against queues whose capacity is known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.judge.capacity.border import RateTrial
from harness.judge.stats.dependence import dependence
from harness.judge.stats.durations import Durations
from harness.plan.arrivals import Closed, Poisson
from harness.run.capacity_search import LEAST_TRIALS, CapacitySearch, Probe

# M/D/1 with 1 ms of service keeps a p99 of 8 ms up to 718.63 requests/s (bisection on Erlang's exact distribution).
CAPACITY_RPS = 718.63
LIMIT_MS = 8.0


def single_server(rng, rate_rps, seconds):
    """Response times in ms of Poisson arrivals at one server of 1 ms, by Lindley's recursion."""
    count = rng.poisson(rate_rps * seconds)
    gaps_ms = rng.exponential(1000 / rate_rps, count)
    walk = np.concatenate([[0.0], np.cumsum(1.0 - gaps_ms[1:])])
    return walk - np.minimum.accumulate(walk) + 1.0


def searched(trial, most=30, ceiling_rps=1000.0):
    """The search to its end, with the loads that it tried; `trial(rate)` says what comes of a rate."""
    search, seen, loads = CapacitySearch(most), {}, []
    while (load := search.next_load()) is not None:
        loads.append(load)
        if isinstance(load, Closed):
            search.observe(Probe(load, min(load.users * 10.0, ceiling_rps)))
            continue
        own = seen.setdefault(load, [])
        own.append(trial(load.rate_rps))
        good = tuple(each for each in own if each is not None)
        search.observe(Probe(load, load.rate_rps, {"p99": good} if good else {}, len(own)))
    return search, loads


def of_shares(share):
    """Trials without noise, of 5 000 requests."""
    return lambda rate: RateTrial(rate, 5000 * share(rate), 5000, 0.01)


def rates_of(loads):
    return [load.rate_rps for load in loads if isinstance(load, Poisson)]


@pytest.mark.slow
def test_the_capacity_of_a_known_queue_is_found():
    def run(seed):
        rng = np.random.default_rng(seed)

        def trial(rate_rps):
            times_ns = 1e6 * single_server(rng, rate_rps, 5.0)
            slow = Durations(times_ns, np.zeros(times_ns.size, dtype=bool)).slower_than(1e6 * LIMIT_MS)
            return RateTrial(rate_rps, slow.seen, slow.rows, 0.01, dependence([slow]))

        return searched(trial)[0].border

    borders = [run(seed) for seed in range(20)]
    errors = np.array([border.rate_rps.value / CAPACITY_RPS - 1 for border in borders])
    assert np.mean(np.abs(errors) <= 0.05) >= 0.9
    holds = [border.rate_rps.ends[0] <= CAPACITY_RPS <= border.rate_rps.ends[1] for border in borders]
    assert np.mean(holds) >= 0.85


def test_the_ladder_ends_where_more_users_bring_nothing():
    search = CapacitySearch()
    search.observe(Probe(Closed(users=32), 1000.0))
    assert search.next_load() == Closed(users=128)
    search.observe(Probe(Closed(users=128), 1040.0))
    assert search.next_load().rate_rps == pytest.approx(728.0, rel=0.011)  # 0.7 of 1040, on a grid of 2 %


def test_without_noise_it_ends_as_soon_as_the_capacity_is_known_to_5_percent():
    search, loads = searched(of_shares(lambda rate: 0.01 * math.exp(20.0 * math.log(rate / 800.0))))
    assert search.border.rate_rps.value == pytest.approx(800.0, rel=0.02)
    assert search.border.half_width <= 0.05
    assert LEAST_TRIALS <= len(rates_of(loads)) < 20


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_it_ends_where_there_is_no_border(share):
    search, loads = searched(of_shares(lambda _: share), most=12)
    assert len(rates_of(loads)) <= 12
    assert search.border is None


def test_a_target_that_answers_nothing_has_no_capacity():
    search = CapacitySearch()
    search.observe(Probe(Closed(users=32), 0.0))
    assert search.next_load() == Closed(users=1)
    search.observe(Probe(Closed(users=1), 0.0))
    assert search.next_load() is None


def test_a_target_that_refuses_many_users_is_asked_by_one():
    search = CapacitySearch()
    search.observe(Probe(Closed(users=32), 0.0))
    search.observe(Probe(Closed(users=1), 40.0))
    assert isinstance(search.next_load(), Poisson)
    assert search.next_load().rate_rps == pytest.approx(0.7 * 40.0, rel=0.02)


def test_a_limit_that_only_high_rates_keep_is_found():
    # p99 is above the limit until batches fill by themselves, below it from 3 415/s on, and above again from 3 709/s.
    def share(rate):
        return 0.3 if rate < 3415 else 0.001 if rate < 3709 else 0.4

    search, loads = searched(of_shares(share), ceiling_rps=4000.0)
    assert rates_of(loads)[:2] == pytest.approx([2800.0, 3600.0], rel=0.011)
    assert 3600 <= search.border.rate_rps.value <= 3790


def test_a_target_that_misses_the_limit_at_every_rate_is_tried_above_and_then_below():
    _, loads = searched(of_shares(lambda _: 0.5))
    assert rates_of(loads)[:5] == pytest.approx([700.0, 900.0, 800.0, 970.0, 420.0], rel=0.011)


def test_trials_that_say_nothing_are_no_trials_that_missed():
    # Every other trial is spoiled: the border is that of the others.
    turn = iter(range(100))

    def trial(rate):
        return None if next(turn) % 2 else of_shares(lambda rate: 0.01 * (rate / 800.0) ** 20)(rate)

    search, _ = searched(trial)
    assert search.border.rate_rps.value == pytest.approx(800.0, rel=0.03)


def test_where_nothing_can_be_judged_lower_rates_are_tried():
    _, loads = searched(lambda _: None, most=9)
    rates = rates_of(loads)
    assert rates[0] == rates[2] > rates[3] > rates[6]
