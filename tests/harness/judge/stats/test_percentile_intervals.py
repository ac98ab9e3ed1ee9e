from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import queueing
from scipy.stats import norm, t

from harness.judge.stats.durations import Durations
from harness.judge.stats.percentile_intervals import (
    Percentile,
    _monotone,
    _steepness,
    _trials_above,
    percentiles,
    share_within,
)
from harness.judge.stats.trial_noise import TrialNoise

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
RUNS = 60
NONE = TrialNoise(0.0, 16)
SOME = TrialNoise(0.05, 4)
HALF = 2.776445 * 0.05  # of SOME, for one run


def run_of(values, still_open=None):
    values = np.asarray(values)
    return Durations(values, np.zeros(values.size, dtype=bool) if still_open is None else still_open)


def one(values, p, noise=NONE, **columns):
    (found,) = percentiles([run_of(values, **columns)], (p,), noise)
    return found


def coverage(simulated, p, truth):
    found = [one(values, p) for values in simulated]
    given = [each for each in found if each.high is not None]
    assert len(given) >= RUNS / 2
    return np.mean([each.low <= truth <= each.high for each in given])


def test_by_hand():
    values = np.random.default_rng(1).permutation(10_000) + 1
    found = one(values, 0.5)
    assert found.value == 5000
    assert 7_000 <= found.effective_samples <= 10_000
    # t(19) sqrt(p (1 - p) / n) on either side of the middle.
    half = t.ppf(0.975, 19) * math.sqrt(0.25 / found.effective_samples)
    assert (found.low, found.high) == (math.ceil(10_000 * (0.5 - half)), math.ceil(10_000 * (0.5 + half)))


@pytest.mark.parametrize(
    "shape",
    [
        lambda _rng: np.full(800, 200.0),
        lambda rng: 200 + rng.uniform(0, 2, 800),
        lambda _rng: 200 + np.arange(800) // 128,  # waves of users that came together
        lambda _rng: np.linspace(200, 900, 800),
        lambda _rng: np.repeat([400.0, 200.0], 400),
        lambda _rng: np.repeat([200.0, 2000.0], [790, 10]),
        lambda rng: 200 * (1 + rng.pareto(1.2, 800)),
        lambda rng: np.exp(np.convolve(rng.normal(5, 0.3, 899), 0.95 ** np.arange(100), "valid") / 20),
    ],
    ids=["equal", "nearly equal", "waves", "drift", "slow half", "slow end", "heavy tail", "dependent"],
)
@pytest.mark.parametrize("noise", [NONE, SOME], ids=["alike", "runs differ"])
def test_800_streams_have_a_p99_that_is_bounded_below_at_least(shape, noise):
    values = (shape(np.random.default_rng(3)) * 1e6).astype(np.int64)
    p99 = one(values, 0.99, noise)
    assert values.min() * 0.8 < p99.low <= p99.value == np.sort(values)[791]  # the 792nd of 800 is the 0.99 quantile
    assert p99.high is not None or p99.needed is not None


def test_few_clusters_have_few_degrees_of_freedom():
    # 1 000 requests in an order without dependence: about ten are above p99, fewer than 20 stretches.
    found = one(np.random.default_rng(7).permutation(1000) + 1, 0.99)
    clusters = found.effective_samples / 100
    assert 2 < clusters <= 10
    half = t.ppf(0.975, clusters) * math.sqrt(0.0099 / found.effective_samples)
    assert found.low == pytest.approx(math.ceil(1000 * (0.99 - half)))


def test_a_small_sample_gives_a_bound_from_below():
    # 100 independent requests: one is above p99. There is no upper bound, but a value, and what it is at least.
    found = one(np.random.default_rng(3).permutation(100) + 1, 0.99)
    assert (found.value, found.high) == (99, None)
    assert 0 < found.low < 99
    # Six clusters beyond it would do: t(6) = 2.447 is the root of 6. That is 600 requests, 500 more.
    assert found.needed == pytest.approx(500, abs=30)


def test_bounds_are_monotone_in_p():
    # p90 without an upper bound lies below whatever p95 lies below; p95 at least as high as what p90 is at least.
    found = _monotone([Percentile(0.9, 10, 9, None, 5, 100), Percentile(0.95, 12, 8, 20, 90)])
    assert [(each.low, each.high, each.needed) for each in found] == [(9, 20, None), (9, 20, None)]


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_of_any_sample_rise_together(seed):
    rng = np.random.default_rng(seed)
    slow = (np.cumsum(rng.random(3000) < 0.003) % 2) * 8 + 4
    found = percentiles([run_of(slow * rng.lognormal(0, 0.1, 3000))], PERCENTILES, SOME)
    assert all(one.low <= other.low and one.value <= other.value for one, other in pairwise(found))
    bounded = [each.high is not None for each in found]
    assert bounded == sorted(bounded, reverse=True)
    highs = [each.high for each in found if each.high is not None]
    assert highs == sorted(highs)


def test_run_noise_widens_on_logarithms():
    found = one(np.full(1000, 100.0), 0.5, SOME)
    assert (found.low, found.high) == pytest.approx((100 * math.exp(-HALF), 100 * math.exp(HALF)))


def test_the_interval_is_one_of_the_typical_run():
    # Runs at 90 and 110: the observed p99 is that of the slower one; the typical run lies at their geometric mean.
    runs = [run_of(np.tile([90.0, 91.0], 500)), run_of(np.tile([110.0, 111.0], 500))]
    found = percentiles(runs, (0.2, 0.5, 0.99), SOME)
    half = HALF / math.sqrt(2)
    middle = math.sqrt(90 * 110)  # at the common level, and 91 / 90 times as long for the upper half of the rows
    assert [each.value for each in found] == [90, 91, 111]
    assert found[0].low == pytest.approx(min(90, middle * math.exp(-half)), rel=0.01)
    assert found[2].high == pytest.approx(max(111, middle * math.exp(half)), rel=0.02)


@pytest.mark.parametrize(
    ("seen", "tau", "runs"),
    [
        ([10, 10, 10, 10], 1.0, 4),
        ([12, 8, 10, 10], 1.0, 4),  # by chance: 40^2 / (408 - 40) = 4.3
        ([40, 0, 0, 0], 1.0, 1600 / 1560),
        ([40, 0, 0, 0], 20.0, 2),  # of 40 rows in two clusters: 1600 / (1600 - 800)
        ([20, 20, 0, 0], 1.0, 1600 / 760),
        ([0, 0], 1.0, 2),
    ],
)
def test_a_percentile_tells_of_the_runs_that_reach_beyond_it(seen, tau, runs):
    assert _trials_above(seen, tau) == pytest.approx(runs)


def test_where_one_run_reaches_beyond_a_percentile_it_is_as_uncertain_as_one_run():
    # Four runs whose own level is not known: it is 100 or 200 for long; only the last has a tail.
    states = np.repeat(np.tile([100.0, 200.0], 2), 250)
    tail = np.concatenate([np.random.default_rng(1).permutation(np.arange(400.0, 500.0)), states[100:]])
    (found,) = percentiles([*[run_of(states)] * 3, run_of(tail)], (0.99,), SOME)
    assert found.value == 459  # 40 of 4000 rows lie above it
    assert found.low <= 459 * math.exp(-0.95 * HALF)


def test_the_steepness_of_a_tail_is_found_again():
    rows = np.sort(1e6 * (1.0 + np.random.default_rng(1).pareto(3.0, 100_000)))
    assert _steepness(rows, float(rows[95_000]), 0.95) == pytest.approx(3.0, rel=0.05)
    assert _steepness(rows, float(rows[50_000]), 0.5) == 0.0  # no tail
    assert _steepness(rows, float(rows[-1]), 0.999) == 0.0  # nothing beyond


def test_open_requests_leave_no_upper_bound_where_they_reach():
    values = np.random.default_rng(5).permutation(10_000) + 1.0
    still_open = values <= 300  # given up early, so that they may be the slowest of all
    assert one(values, 0.9, still_open=still_open).high is not None
    found = one(values, 0.99, still_open=still_open)
    assert (found.value, found.high, found.needed) == (9900, None, None)  # no number of requests would help


def test_share_within_a_limit_by_hand():
    runs = [run_of(np.arange(1, 101)), run_of(np.arange(1, 101))]
    assert share_within(runs, (50, 200, 0), NONE) == [0.5, 1.0, 0.0]
    assert share_within([], (50,), NONE) == [0.0]
    # At the common level of 90 and 110, both runs take 99.5.
    assert share_within([run_of(np.full(100, 90.0)), run_of(np.full(100, 110.0))], (99, 100), SOME) == [0.0, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize("p", [0.5, 0.99])
@pytest.mark.parametrize("rho", [0.5, 0.8])
def test_coverage_on_a_queue_with_exponential_service(rho, p):
    count = 20_000 if rho == 0.5 else 100_000
    simulated = queueing.simulate_single_server(np.random.default_rng(11), RUNS, count, rho, fixed_service=False)
    assert coverage(simulated, p, queueing.mm1_response_quantile(rho, p)) >= 0.88


@pytest.mark.parametrize("p", [0.5, 0.99])
def test_coverage_on_a_queue_with_fixed_service(p):
    simulated = queueing.simulate_single_server(np.random.default_rng(12), RUNS, 20_000, 0.8, fixed_service=True)
    assert coverage(simulated, p, queueing.md1_response_quantile(0.8, p)) >= 0.86


@pytest.mark.parametrize("p", [0.5, 0.99])
def test_coverage_on_independent_and_autoregressive_data(p):
    rng = np.random.default_rng(13)
    assert coverage(rng.exponential(1.0, (RUNS, 5_000)), p, -math.log(1 - p)) >= 0.88
    # Shifted, since durations are positive.
    assert coverage(queueing.simulate_ar1(rng, RUNS, 20_000) + 10, p, float(norm.ppf(p)) + 10) >= 0.88


def test_a_busy_queue_seen_briefly_has_only_a_bound():
    simulated = queueing.simulate_single_server(np.random.default_rng(14), RUNS, 4_000, 0.9, fixed_service=False)
    found = [one(values, 0.99) for values in simulated]
    assert np.mean([each.high is None for each in found]) >= 0.8
    assert np.mean([each.low <= queueing.mm1_response_quantile(0.9, 0.99) for each in found]) >= 0.9


def test_coverage_can_fail():
    # The same data in an order that hides their dependence: what is then taken for independent covers too rarely.
    rng = np.random.default_rng(15)
    simulated = queueing.simulate_single_server(rng, RUNS, 20_000, 0.8, fixed_service=True)
    shuffled = [rng.permutation(values) for values in simulated]
    assert coverage(shuffled, 0.99, queueing.md1_response_quantile(0.8, 0.99)) < 0.5
