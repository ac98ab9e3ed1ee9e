"""The search against a queue whose capacity is known exactly."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.judge.stats.durations import Durations
from harness.judge.stats.limit_decision import LimitDecision, decide_limit
from harness.judge.stats.percentile_intervals import percentiles
from harness.judge.stats.run_noise import RunNoise
from harness.plan.arrivals import Closed, Poisson
from harness.run.capacity_search import CapacitySearch, Probe

# M/D/1 with 1 ms of service keeps a p99 of 8 ms up to 718.63 requests/s (bisection on Erlang's exact distribution).
CAPACITY_RPS = 718.63
LIMIT_MS = 8.0
NONE = RunNoise(0.0, 16)  # the simulated queue is the same in every run


def single_server(rng, rate_rps, seconds):
    """Response times in ms of Poisson arrivals at one server of 1 ms, by Lindley's recursion."""
    count = rng.poisson(rate_rps * seconds)
    gaps_ms = rng.exponential(1000 / rate_rps, count)
    walk = np.concatenate([[0.0], np.cumsum(1.0 - gaps_ms[1:])])
    return walk - np.minimum.accumulate(walk) + 1.0


def probe(rng, load, seconds=20.0, tries=1):
    """What the harness would see."""
    if isinstance(load, Closed):
        return Probe(load, 1000.0, met=None)
    times_ms = single_server(rng, load.rate_rps, seconds * tries)
    durations = [Durations(times_ms, np.zeros(times_ms.size, dtype=bool))]
    decision = decide_limit(durations, LIMIT_MS, 0.01, None, NONE).decision
    met = {LimitDecision.KEPT: True, LimitDecision.MISSED: False, LimitDecision.NOT_YET: None}[decision]
    (found,) = percentiles(durations, [0.99], NONE)
    ratio = None if found.high is None else found.value / LIMIT_MS
    return Probe(load, load.rate_rps, met, ratio, tries)


def run(rng, seconds=20.0):
    search = CapacitySearch()
    tries: dict[Poisson, int] = {}
    while (load := search.next_load()) is not None:
        tries[load] = tries.get(load, 0) + 1
        search.observe(probe(rng, load, seconds, tries[load]))
    return search, sum(tries.values())


@pytest.mark.slow
def test_the_capacity_of_a_known_queue_is_found():
    rng = np.random.default_rng(5)
    found = [run(rng) for _ in range(40)]
    errors = np.array([search.low_rps / CAPACITY_RPS - 1 for search, _ in found])
    assert np.quantile(np.abs(errors), 0.9) < 0.06
    assert abs(np.median(errors)) < 0.04
    assert errors.max() < 0.03  # a promise that the server cannot keep would be the worse mistake


def exact(load, capacity_rps=1000.0):
    """A target without noise: p99 grows by a factor of e for 10 % more load."""
    if isinstance(load, Closed):
        return Probe(load, min(load.users * 10.0, 1300.0), met=True)
    ratio = math.exp((load.rate_rps / capacity_rps - 1) * 10)
    return Probe(load, load.rate_rps, ratio <= 1, ratio)


def test_without_noise_it_is_found_within_two_percent():
    search = CapacitySearch()
    loads = []
    while (load := search.next_load()) is not None:
        loads.append(load)
        search.observe(exact(load))
    assert [load.users for load in loads if isinstance(load, Closed)] == [32, 128, 512]
    assert 980 <= search.low_rps <= 1000 < search.high_rps <= 1021
    assert sum(isinstance(load, Poisson) for load in loads) <= 8


def test_the_ladder_ends_where_more_users_bring_nothing():
    search = CapacitySearch()
    search.observe(Probe(Closed(users=32), 1000.0, met=True))
    assert search.next_load() == Closed(users=128)
    search.observe(Probe(Closed(users=128), 1040.0, met=True))
    assert search.next_load() == Poisson(rate_rps=728.0)  # 0.7 of 1040


def test_a_rate_that_cannot_be_judged_is_tried_again_and_then_counts_as_too_much():
    search = CapacitySearch()
    search.observe(Probe(Closed(users=32), 1000.0, met=True))
    search.observe(Probe(Closed(users=128), 1000.0, met=True))
    for tries in (1, 2):
        search.observe(Probe(Poisson(rate_rps=700.0), 700.0, met=None, tries=tries))
        assert search.next_load() == Poisson(rate_rps=700.0)
    search.observe(Probe(Poisson(rate_rps=700.0), 700.0, met=None, tries=3))
    assert search.next_load() == Poisson(rate_rps=420.0)


@pytest.mark.parametrize("met", [True, False])
def test_it_ends_where_there_is_no_border(met):
    search = CapacitySearch(max_rates=9)
    count = 0
    while (load := search.next_load()) is not None:
        count += 1
        search.observe(Probe(load, 1000.0, met=met))
    assert count <= 9 + 2
    assert (search.high_rps if met else search.low_rps) is None


def test_a_target_that_answers_nothing_has_no_capacity():
    search = CapacitySearch()
    search.observe(Probe(Closed(users=32), 0.0, met=False))
    assert search.next_load() is None


def waits_for_batches(load):
    """p99 is 45 ms until batches fill by themselves, 30 ms from 3 415/s on, and above 37 ms again from 3 709/s on."""
    if isinstance(load, Closed):
        return Probe(load, 4000.0, met=None)
    p99_ms = 45.0 if load.rate_rps < 3415 else 30.0 if load.rate_rps < 3709 else 60.0
    return Probe(load, load.rate_rps, p99_ms <= 37.0, p99_ms / 37.0)


def test_a_limit_that_only_high_rates_keep_is_found():
    search = CapacitySearch()
    rates = []
    while (load := search.next_load()) is not None:
        search.observe(waits_for_batches(load))
        rates += [load.rate_rps] if isinstance(load, Poisson) else []
    assert rates[:2] == [2800.0, 3600.0]
    assert 3600 <= search.low_rps < 3709 <= search.high_rps <= 3800
    assert 3415 <= search.holds_from_rps <= search.low_rps


def test_a_target_that_misses_the_limit_at_every_rate_is_tried_above_and_then_below():
    search = CapacitySearch()
    rates = []
    while (load := search.next_load()) is not None:
        met = None if isinstance(load, Closed) else False
        search.observe(Probe(load, 1000.0, met, 2.0))
        rates += [load.rate_rps] if isinstance(load, Poisson) else []
    assert rates[:5] == [700.0, 900.0, 800.0, 970.0, 420.0]
    assert (search.low_rps, search.holds_from_rps) == (None, None)
