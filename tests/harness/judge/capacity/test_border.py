"""The border against curves that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.judge.capacity.border import RateTrial, find_border, upper_branch

RATES = (700.0, 850.0, 930.0, 1000.0, 1080.0)


def share_at(rate, capacity=1000.0, steepness=15.0):
    """Log odds that are linear in the logarithm of the rate, and those of 1 % at the capacity."""
    odds = math.log(0.01 / 0.99) + steepness * math.log(rate / capacity)
    return 1.0 / (1.0 + math.exp(-odds))


def trials_at(rates, share, rng=None, total=5000, dependence=1.0):
    """Trials whose slow responses come in clusters of `dependence`."""
    draw = (lambda p: p * total) if rng is None else (lambda p: dependence * rng.binomial(total / dependence, p))
    return [RateTrial(rate, draw(share(rate)), total, 0.01, dependence) for rate in rates]


def test_a_curve_without_noise_is_found():
    border = find_border(trials_at(RATES, share_at))
    assert border.rate_rps.value == pytest.approx(1000.0, rel=0.01)
    low, high = border.rate_rps.ends
    assert 930.0 < low < 1000.0 < high < 1080.0
    assert border.steepness == pytest.approx(15.0, rel=0.3)


def test_more_trials_make_the_interval_narrower():
    widths = [find_border(trials_at(RATES * times, share_at, total=1000)).rate_rps.width for times in (1, 2, 4)]
    # By the square root of their number, and by more where few trials leave open how steep the curve is.
    assert 1.4 < widths[0] / widths[1] < 2.0
    assert 1.4 < widths[1] / widths[2] < 2.0


@pytest.mark.parametrize("dependence", [1.0, 50.0])
def test_the_interval_holds_the_truth(dependence):
    rng = np.random.default_rng(1)
    found = [find_border(trials_at(RATES * 3, share_at, rng, dependence=dependence)) for _ in range(60)]
    holds = [border.rate_rps.ends[0] <= 1000.0 <= border.rate_rps.ends[1] for border in found if border]
    assert len(holds) == 60
    assert np.mean(holds) >= 0.9


def test_a_cliff_lies_between_the_last_rate_that_held_and_the_first_that_did_not():
    border = find_border(trials_at((800.0, 870.0, 880.0, 900.0, 950.0, 1000.0), lambda rate: 0.5 * (rate > 885.0)))
    assert 870.0 < border.rate_rps.ends[0] <= border.rate_rps.value <= border.rate_rps.ends[1] < 905.0


def test_of_one_trial_with_a_long_stall_every_slow_response_counts():
    def border(slow):
        trials = trials_at((850.0, 930.0, 1080.0), share_at)
        return find_border([*trials, *(RateTrial(1000.0, each, 5000, 0.01) for each in (0.0, 0.0, slow))])

    # 500 are ten times as many as are allowed, but not in the three trials of this rate together.
    assert border(1000.0).rate_rps.value < 0.99 * border(500.0).rate_rps.value


def test_one_side_alone_has_no_border():
    assert find_border(trials_at(RATES[:3], share_at)) is None
    assert find_border(trials_at((1100.0, 1200.0), share_at)) is None
    assert find_border([]) is None


def test_low_rates_that_surely_break_the_limit_are_no_part_of_the_curve():
    def waits_for_batches(rate):
        return 0.2 if rate < 600.0 else share_at(rate)

    trials = trials_at((400.0, 550.0, *RATES), waits_for_batches)
    assert min(trial.rate_rps for trial in upper_branch(trials)) == 700.0
    assert find_border(trials).rate_rps.value == pytest.approx(1000.0, rel=0.01)


def test_low_rates_are_no_part_of_the_curve_where_the_share_falls_in_small_steps():
    # Shares of 6.4, 1.2, 0.63, 0.27 and 4.7 %; a step from 1.2 to 0.63 % is 1.6 standard errors, that from 6.4 % is 18.
    counts = (
        (2800.0, 900, 14_000),
        (3300.0, 200, 16_500),
        (3500.0, 110, 17_500),
        (3700.0, 50, 18_500),
        (3900.0, 920, 19_500),
    )
    trials = [RateTrial(rate, slow, total, 0.01, dependence=10.0) for rate, slow, total in counts]
    assert [trial.rate_rps for trial in upper_branch(trials)] == [3500.0, 3700.0, 3900.0]


def test_one_cluster_of_slow_responses_at_a_low_rate_proves_nothing():
    # 90 slow ones that are worth one: the rate above it, without any, may be worse all the same.
    trials = [
        RateTrial(700.0, 90, 5000, 0.01, 90.0),
        RateTrial(800.0, 0, 5000, 0.01),
        RateTrial(900.0, 400, 5000, 0.01),
    ]
    assert upper_branch(trials) == trials
