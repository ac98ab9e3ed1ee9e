from __future__ import annotations

import math

import numpy as np
import pytest

from harness.judge.stats.trial_noise import (
    PRIOR_NOISE,
    LogMean,
    TrialNoise,
    log_duration,
    log_rate,
    mean_error,
    pooled_rate,
    trial_noise,
    widened,
)

T_4 = 2.776445  # Student's t(0.975) of 4 degrees of freedom


def levels(*logs, error=0.0):
    return [LogMean(log, error) for log in logs]


def test_repeats_of_several_points_are_pooled():
    # Differences 0.2 and 0.1: squares 0.02 and 0.005 around the means of two; 0.0002 and 0.00005 from two more. Four
    # degrees of freedom leave no room for the prior: sigma^2 = 0.02525 / 4.
    noise = trial_noise([levels(0, 0.2), levels(3, 3.1), levels(7, 7.02), levels(-1, -0.99)])
    assert (noise.sigma, noise.freedom) == pytest.approx((math.sqrt(0.02525 / 4), 4.0))


def test_the_prior_fills_up_what_few_repeats_leave_open():
    # Two degrees of freedom from the points, two of 0.05^2 from the prior: (0.02 + 0.005 + 2 * 0.0025) / 4 = 0.0075.
    assert trial_noise([levels(0, 0.2), levels(3, 3.1)]).sigma == pytest.approx(math.sqrt(0.0075))
    # Three repeats bring two as well: 0.1, 0 and -0.1 have squares 0.02.
    assert trial_noise([levels(0.1, 0, -0.1)]).sigma == pytest.approx(math.sqrt((0.02 + 2 * 0.0025) / 4))


def test_without_repeats_the_prior_is_all():
    assert trial_noise([]) == trial_noise([levels(1.0), levels(2.0)]) == PRIOR_NOISE
    assert PRIOR_NOISE.half_width(1) == pytest.approx(T_4 * 0.05)
    assert PRIOR_NOISE.half_width(4) == pytest.approx(T_4 * 0.05 / 2)


def test_scatter_that_the_runs_themselves_explain_is_no_trial_noise():
    # Differences of 0.01 have a variance of 0.00005, less than the 0.0001 that runs with errors of 0.01 have by chance.
    assert trial_noise([levels(n, n + 0.01, error=0.01) for n in range(8)]).sigma == 0.0
    # Differences of 0.2 have a variance of 0.02; 0.0001 of it was there inside the runs.
    noisy = trial_noise([levels(n, n + 0.2, error=0.01) for n in range(8)])
    assert noisy.sigma == pytest.approx(math.sqrt(0.02 - 0.0001))


def test_a_point_that_knows_its_levels_badly_hardly_counts():
    good = [levels(n, n + 0.1, error=0.001) for n in range(8)]
    bad = levels(0, 3.0, error=2.0)
    assert trial_noise([*good, bad]).sigma == pytest.approx(trial_noise(good).sigma, rel=1e-3)


@pytest.mark.parametrize("sigma", [0.03, 0.1])
def test_sigma_is_found_again(sigma):
    rng = np.random.default_rng(1)
    points = [[LogMean(rng.normal(0, math.hypot(sigma, 0.02)), 0.02) for _ in range(2)] for _ in range(400)]
    assert trial_noise(points).sigma == pytest.approx(sigma, rel=0.1)


def test_runs_are_brought_to_one_level_by_what_the_run_noise_explains():
    noise = TrialNoise(0.05, 16)
    assert np.log(noise.trial_factors(levels(1.0, 1.2))) == pytest.approx([-0.1, 0.1])  # nothing else explains it
    half = noise.trial_factors(levels(1.0, 1.2, error=0.05))
    assert np.log(half) == pytest.approx([-0.05, 0.05])  # chance inside the runs explains half of it
    assert TrialNoise(0.0, 16).trial_factors(levels(1.0, 1.2)).tolist() == [1.0, 1.0]


def test_runs_whose_levels_are_not_known_make_the_tail_longer():
    # Each run is off by 0.1 and knows its level to 0.2: 0.01 * 0.04 / 0.05 = 0.008 of the variance is left, 4/5 of it
    # among five runs. Exponential logarithms of rate 20 that also scatter by that much lie 20 * 0.0064 / 2 higher.
    noise, rng = TrialNoise(0.1, 10.0), np.random.default_rng(1)
    found = noise.tail_excess([LogMean(1.0, 0.2)] * 5, steepness=20.0)
    logs = rng.exponential(1 / 20, 2_000_000)
    mixed = logs + math.sqrt(0.0064) * rng.standard_normal(logs.size)
    assert found == pytest.approx(0.064)
    assert found == pytest.approx(np.quantile(mixed, 0.999) - np.quantile(logs, 0.999), abs=0.01)
    assert noise.tail_excess([LogMean(1.0, 0.0)] * 5, steepness=20.0) == 0.0  # the runs know their levels
    assert noise.tail_excess([LogMean(1.0, 0.2)], steepness=20.0) == 0.0  # the one run is the sample
    assert TrialNoise(0.0, 10.0).tail_excess([LogMean(1.0, 0.0)] * 2, steepness=20.0) == 0.0


def test_levels_by_hand():
    assert log_rate([9.0, 11.0]).log_value == pytest.approx(math.log(10))
    assert log_rate([0.0, 0.0]) is None
    assert log_rate([]) is None
    assert log_duration(np.array([10, 1000])).log_value == pytest.approx(math.log(100))
    assert log_duration(np.array([], dtype=np.int64)) is None


def test_the_error_of_stretches():
    # Four of 9 and 11 in turn: standard deviation 1.1547, a half of it for the mean, and three degrees of freedom.
    assert mean_error([9.0, 11.0, 9.0, 11.0]) == pytest.approx((1.1547 / 2, 3.0), rel=1e-4)
    assert mean_error([10.0]) == (0.0, 0.0)
    # One change in 20 stretches: rho is taken for 0.9 and tau is 19, so they are worth 20 / 19; so is the variance.
    assert mean_error([9.0] * 10 + [11.0] * 10) == pytest.approx((1.0, 1.0))


def test_the_pooled_rate():
    runs = [np.full(20, 10.0), np.full(20, 12.0)]
    half = T_4 * 0.05 / math.sqrt(2)
    found = pooled_rate(runs, PRIOR_NOISE)
    assert (found.value, found.low, found.high) == pytest.approx((11, 11 * math.exp(-half), 11 * math.exp(half)))
    limited = pooled_rate(runs, PRIOR_NOISE, share_if_slower=0.5, share_if_faster=1.1)
    assert (limited.low, limited.high) == pytest.approx((11 * math.exp(-half) / 2, 11 * math.exp(half) * 1.1))
    assert pooled_rate(runs, PRIOR_NOISE, share_if_slower=0.0).low == 0.0
    assert pooled_rate([], PRIOR_NOISE).ends == pooled_rate([np.zeros(20)]).ends == (-math.inf, math.inf)


def test_widened_in_quadrature():
    # 3 % and 4 % make 5 % on either side.
    low, high = widened(100.0, 100 * math.exp(-0.03), 100 * math.exp(0.03), 0.04)
    assert (low, high) == pytest.approx((100 * math.exp(-0.05), 100 * math.exp(0.05)))
    assert widened(100.0, 0.0, 100.0, 0.04)[0] == 0.0
