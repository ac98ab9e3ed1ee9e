"""Random levels, compared with the same model worked out by another method."""

import numpy as np
import pytest

from harness.judge.stats.speeds.level_draws import CHAINS, KEPT, NOISE_DF, WIDTH, WIDTH_SPREAD, level_draws
from harness.judge.stats.speeds.point_speeds import PRIOR_NOISE, Look


def weighed(looks, points, count=600_000):
    """Levels drawn before anything is known (count, points), and how well each explains `looks` of one block."""
    rng = np.random.default_rng(3)
    width = WIDTH * np.exp(WIDTH_SPREAD * rng.standard_normal((count, 1)))
    levels = width * rng.random((count, points))
    noise_sq = np.exp(rng.uniform(2 * np.log(0.004), 2 * np.log(0.1), count))  # where the looks below allow it
    expected = noise_sq ** (-NOISE_DF / 2) * np.exp(-NOISE_DF * PRIOR_NOISE**2 / (2 * noise_sq))
    left = np.array([look.log_value for look in looks]) - levels[:, [look.point for look in looks]]
    squares = ((left - left.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)  # the common level is anywhere
    return levels, expected * np.exp(-squares / (2 * noise_sq)) * noise_sq ** (-(len(looks) - 1) / 2)


def test_the_draws_are_those_of_the_model_by_importance_sampling():
    values = {0: (0.00, 0.03, 0.01), 1: (-0.02, 0.02), 2: (-0.10, -0.06, -0.07), 3: (-0.20,)}
    looks = [Look(point, 0, value) for point, own in values.items() for value in own]
    levels, weights = weighed(looks, len(values))
    best = [np.average(levels.argmax(axis=1) == point, weights=weights) for point in values]
    draws = np.concatenate([level_draws(looks, len(values), seed) for seed in range(10)])
    assert draws.shape == (10 * CHAINS * KEPT, len(values))
    assert np.bincount(draws.argmax(axis=1), minlength=4) / len(draws) == pytest.approx(best, abs=0.03)
    for rival in (1, 2, 3):
        mean = np.average(levels[:, 0] - levels[:, rival], weights=weights)
        assert (draws[:, 0] - draws[:, rival]).mean() == pytest.approx(mean, abs=0.004)


def test_blocks_are_taken_out():
    # Block 1 is 0.5 faster, as point 0 shows; so point 2, seen there only, is 0.2 above point 0 and not 0.7.
    looks = [Look(0, block, 0.5 * (block % 2)) for block in range(8)]
    looks += [Look(1, block, -0.2) for block in (0, 2, 4)] + [Look(2, block, 0.7) for block in (1, 3, 5)]
    draws = level_draws(looks, 3, seed=1)
    assert (draws[:, 2] - draws[:, 0]).mean() == pytest.approx(0.2, abs=0.05)
    assert (draws[:, 1] - draws[:, 0]).mean() == pytest.approx(-0.2, abs=0.05)


def test_a_trial_that_shows_more_noise_counts_less():
    sure = [Look(point, block, 0.0) for block in range(6) for point in (0, 1)]
    rising = level_draws([*sure, Look(1, 6, 0.2), Look(0, 6, 0.0)], 2, seed=1)
    unsure = level_draws([*sure, Look(1, 6, 0.2, standard_error=0.5), Look(0, 6, 0.0)], 2, seed=1)
    assert (unsure[:, 1] - unsure[:, 0]).mean() < 0.3 * (rising[:, 1] - rising[:, 0]).mean()


def test_a_point_without_a_trial_may_be_anywhere_between_the_others():
    looks = [Look(point, block, value) for block in range(4) for point, value in ((0, 0.0), (1, 0.4))]
    draws = level_draws(looks, 3, seed=1)
    assert draws[:, 2].mean() == pytest.approx(0.2, abs=0.1)
    assert 0.05 < (draws[:, 2] > draws[:, 1]).mean() < 0.4
    assert (draws == level_draws(looks, 3, seed=1)).all()


def test_what_harmed_trials_reached_is_the_least_there_may_be():
    looks = [Look(point, block, value) for block in range(4) for point, value in ((0, 0.0), (1, 0.4), (2, -1.0))]
    draws = level_draws(looks, 4, seed=1, floors={3: 0.41})
    assert draws[:, 3].min() >= 0.41
    assert (draws[:, 3] > draws[:, 1]).mean() > 0.9
    low = level_draws(looks, 4, seed=1, floors={3: -0.9})  # 0.4 is 1.9 deviations of the harm above
    assert 0.0 < (low[:, 3] > low[:, 1]).mean() < 0.1
    assert (low[:, 0].mean(), low[:, 1].mean()) == pytest.approx((0.0, 0.4), abs=0.02)
