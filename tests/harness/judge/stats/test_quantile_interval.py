from __future__ import annotations

import math

import numpy as np
import pytest
import queueing
from scipy.stats import norm

from harness.judge.stats.quantile_interval import (
    effective_sample_sizes,
    quantile_interval,
    required_effective_samples,
    samples_needed,
)

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
RUNS = 60


def intervals(simulated, p):
    for values in simulated:
        ordered = np.sort(values)
        size = effective_sample_sizes(values, ordered, PERCENTILES)[PERCENTILES.index(p)]
        yield quantile_interval(ordered, p, size)


def coverage(simulated, p, truth):
    given = [each for each in intervals(simulated, p) if each.high is not None]
    assert len(given) >= RUNS / 2
    return np.mean([each.low <= truth <= each.high for each in given])


def test_the_fewest_samples():
    # ln 0.025 / ln p: 5.3, 35, 72, 368; and t^2 p / (1 - p) = 4.3807 * 1, 9, 19, 99.
    assert required_effective_samples(0.5) == pytest.approx(5.32, abs=0.01)
    assert required_effective_samples(0.9) == pytest.approx(39.4, abs=0.1)
    assert required_effective_samples(0.95) == pytest.approx(83.2, abs=0.1)
    assert required_effective_samples(0.99) == pytest.approx(433.7, abs=0.1)
    assert required_effective_samples(0.01) == required_effective_samples(0.99)


def test_by_hand():
    # n = 10 000 independent: half = 2.093 sqrt(0.25 / 10 000) = 0.01047: ranks 4 896 and 5 105.
    ordered = np.arange(1, 10_001)
    interval = quantile_interval(ordered, 0.5, 10_000)
    assert (interval.value, interval.low, interval.high) == (5000, 4896, 5105)
    assert samples_needed(10_000, 0.5, 10_000) is None
    # A quarter as many effective samples: twice as wide.
    wider = quantile_interval(ordered, 0.5, 2_500)
    assert (wider.low, wider.high) == (4791, 5210)


def test_a_percentile_that_the_sample_cannot_carry_is_withheld():
    # 1 000 requests worth 100: p99 needs 433.7, that is 3 337 more requests of this kind. A lower bound stays.
    interval = quantile_interval(np.arange(1000), 0.99, 100.0)
    assert interval.high is None
    assert samples_needed(1000, 0.99, 100.0) == 3337
    assert interval.low == 969  # rank ceil(1000 (0.99 - 2.093 sqrt(0.0099 / 100))) = 970th of 0..999


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
    assert coverage(queueing.simulate_ar1(rng, RUNS, 20_000), p, float(norm.ppf(p))) >= 0.88


def test_a_busy_queue_seen_briefly_has_no_p99():
    simulated = queueing.simulate_single_server(np.random.default_rng(14), RUNS, 4_000, 0.9, fixed_service=False)
    withheld = [interval.high is None for interval in intervals(simulated, 0.99)]
    assert np.mean(withheld) >= 0.8


def test_the_usual_interval_fails_where_ours_must_not():
    # Proof that the coverage tests can fail: the same data with independent samples assumed.
    simulated = queueing.simulate_single_server(np.random.default_rng(15), RUNS, 20_000, 0.8, fixed_service=True)
    truth = queueing.md1_response_quantile(0.8, 0.99)
    usual = [quantile_interval(np.sort(values), 0.99, values.size) for values in simulated]
    assert np.mean([each.low <= truth <= each.high for each in usual]) < 0.5
