"""Speeds of points measured in blocks."""

import math

import numpy as np
import pytest

from harness.judge.stats.speeds.point_speeds import PRIOR_NOISE, PRIOR_NOISE_DF, Look, estimate


def test_blocks_are_taken_out_and_the_noise_is_what_is_left():
    # The residuals of 2 points x 2 blocks are +-d/4, d = (a0 - b0) - (a1 - b1) = 0.04: their squares sum to d^2/4.
    looks = [Look(0, 0, 1.00), Look(1, 0, 1.10), Look(0, 1, 1.20), Look(1, 1, 1.34)]
    found = estimate(looks, 2)
    assert found.df == PRIOR_NOISE_DF + 1
    assert found.noise**2 == pytest.approx((PRIOR_NOISE_DF * PRIOR_NOISE**2 + 0.04**2 / 4) / (PRIOR_NOISE_DF + 1))
    difference = found.mean[1] - found.mean[0]
    assert 0.09 < difference < 0.12  # the mean of 0.10 and 0.14, drawn a little towards 0 by the prior


def test_a_point_of_another_block_is_compared_by_what_the_blocks_share():
    # Block 1 is 0.5 faster, as point 0 shows; so point 2, seen there only, is 0.2 above point 0 and not 0.7.
    looks = [Look(0, 0, 0.0), Look(1, 0, -0.2), Look(0, 1, 0.5), Look(2, 1, 0.7)]
    found = estimate(looks, 3)
    assert found.mean[2] - found.mean[0] == pytest.approx(0.2, abs=0.06)


def test_a_point_without_a_trial_has_the_mean_of_the_others_and_their_spread():
    looks = [Look(point, block, value) for block in range(4) for point, value in ((0, 0.0), (1, 0.4))]
    found = estimate(looks, 3)
    assert found.mean[2] == pytest.approx(0.2, abs=0.02)
    assert found.covariance[2, 2] > 10 * found.covariance[0, 0] - 10 * found.covariance[0, 1]
    assert math.sqrt(found.covariance[2, 2]) > 0.1


def test_a_trial_that_shows_more_noise_counts_less():
    sure = [Look(0, 0, 0.0), Look(1, 0, 0.0), Look(0, 1, 0.0), Look(1, 1, 0.2)]
    unsure = [*sure[:3], Look(1, 1, 0.2, standard_error=0.5)]
    assert estimate(unsure, 2).mean[1] < 0.5 * estimate(sure, 2).mean[1]


@pytest.mark.parametrize("noise", [0.03, 0.1])
def test_noise_and_drift_are_found_again(noise):
    rng = np.random.default_rng(7)
    levels = rng.normal(0.0, 0.5, 12)
    looks = []
    for block in range(30):
        machine = rng.normal(0.0, 0.05)
        looks += [Look(point, block, levels[point] + machine + rng.normal(0.0, noise)) for point in range(12)]
    found = estimate(looks, 12)
    assert found.noise == pytest.approx(noise, rel=0.15)
    assert found.drift == pytest.approx(0.05, rel=0.35)
    assert found.mean - found.mean.mean() == pytest.approx(levels - levels.mean(), abs=4 * noise / math.sqrt(30))
