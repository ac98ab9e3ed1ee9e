from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from harness.judge.stats.growth import growth
from harness.judge.stats.mean_intervals import (
    batch_rates,
    mean_of_trials,
    share_interval,
)
from harness.judge.stats.trial_noise import TrialNoise, pooled_rate

S = 1_000_000_000


def test_batch_rates_by_hand():
    instants = np.array([0, 1, 2, 9]) * S // 10
    assert batch_rates(instants, 0, S, 2).tolist() == [6.0, 2.0]  # 3 and 1 in half a second each
    assert batch_rates(instants[::-1], 0, S, 2).tolist() == [6.0, 2.0]
    assert batch_rates(np.array([S]), 0, S, 1).tolist() == [0.0]  # the end is not inside
    assert batch_rates(np.empty(0, dtype=np.int64), 0, S, 2).tolist() == [0.0, 0.0]


def test_coverage_of_the_rate_of_bursty_arrivals():
    # Events come in bursts of 10 at Poisson instants of rate 20/s: 200/s, and counts vary 10 times more than Poisson's.
    rng = np.random.default_rng(3)
    covered = []
    for _ in range(200):
        bursts = np.cumsum(rng.exponential(1 / 20, 2000))
        instants = np.repeat(bursts[bursts < 60], 10) * S
        mean = pooled_rate([batch_rates(instants.astype(np.int64), 0, 60 * S)], TrialNoise(0.0, 16))
        covered.append(mean.low <= 200 <= mean.high)
    assert 0.90 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize(("rho", "grows"), [(0.7, False), (0.9, False), (1.1, True), (1.2, True)])
def test_growth_tells_an_overloaded_queue(rho, grows):
    rng = np.random.default_rng(4)
    found = []
    for _ in range(40):
        arrived = np.cumsum(rng.exponential(1 / rho, 20_000))
        service = rng.exponential(1.0, 20_000)
        walk = np.concatenate(([0.0], np.cumsum(service[:-1] - np.diff(arrived))))
        left = arrived + service + walk - np.minimum.accumulate(walk)
        queue = growth((arrived * S).astype(np.int64), np.sort((left * S).astype(np.int64)), 0, int(arrived[-1] * S))
        kept_up = np.mean(left <= arrived[-1])
        found.append(queue.index > 1.5 and queue.slope_z > 2 and kept_up < 0.99)
    assert np.mean(found) >= 0.95 if grows else np.mean(found) <= 0.05


def test_growth_by_hand():
    nothing = np.empty(0, dtype=np.int64)
    assert growth(nothing, nothing, 0, S) is None
    line = growth(np.arange(0, S, S // 1000), nothing, 0, S)  # one more every millisecond, none leaves
    assert line.index == pytest.approx(2 * 39 / 40, rel=0.01)
    assert line.slope_z > 100
    mean = mean_of_trials([1.0, 2.0, 3.0])
    # t(0.975, 2) = 4.302653; the standard error is 1 / sqrt(3).
    assert (mean.value, mean.low, mean.high) == (2.0, pytest.approx(-0.484138), pytest.approx(4.484138))


@pytest.mark.parametrize("values", [[5.0], [4.0, 6.0]])
def test_fewer_runs_have_none(values):
    mean = mean_of_trials(values)
    assert (mean.value, mean.low, mean.high) == (5.0, None, None)


def test_a_share_has_wilsons_interval():
    # Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0 to 0.1611.
    assert share_interval(81, 263) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    wilson = binomtest(81, 263).proportion_ci(method="wilson")
    assert share_interval(81, 263) == (wilson.low, wilson.high)
    assert share_interval(0, 20) == (0.0, pytest.approx(0.1611, abs=5e-5))
    assert share_interval(0, 0) == (0.0, 1.0)
