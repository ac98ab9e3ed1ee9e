from __future__ import annotations

import numpy as np
import pytest

from harness.judge.stats.dependence import clustering, dependence, slow_time, stretch_means


def tau(*indicators):
    return dependence([clustering(each) for each in indicators])


def clustered(length, clusters=10, count=10_000):
    indicator = np.zeros(count, dtype=bool)
    for start in range(0, count, count // clusters):
        indicator[start : start + length] = True
    return indicator


def test_independent_requests_are_worth_themselves():
    # Chance may show a dependence and is never taken for less than none, so the mean is a little above 1.
    rng = np.random.default_rng(1)
    found = [tau(rng.random(5_000) < 0.05, rng.random(5_000) < 0.05) for _ in range(50)]
    assert min(found) < 1.1
    assert np.mean(found) < 1.5


def test_requests_that_come_together_count_once():
    assert tau(clustered(16)) == pytest.approx(16, rel=0.1)


def test_a_run_without_any_does_not_dilute_how_they_cluster():
    nothing = np.zeros(10_000, dtype=bool)
    assert tau(nothing) == tau() == 1.0
    assert tau(clustered(16), nothing) == tau(clustered(16))


def test_runs_count_by_what_they_hold():
    # 160 slow ones in tens of 16, and 10 alone: the variance of their sum is 160 * 16 + 10, of 170 in all.
    rng = np.random.default_rng(2)
    alone = np.zeros(10_000, dtype=bool)
    alone[rng.choice(10_000, 10, replace=False)] = True
    assert tau(clustered(16), alone) == pytest.approx((160 * 16 + 10) / 170, rel=0.1)


def test_stretch_means():
    assert stretch_means(np.arange(41.0)).tolist() == [2 * n + 0.5 for n in range(20)]  # 20 of two each, one left over
    assert stretch_means(np.array([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_slow_time_by_hand():
    # Five low, five high, twice: 16 of the 19 neighbours are alike. Covariance 13 / 4 over variance 20 / 4 is 0.65,
    # corrected (0.65 * 20 + 1) / 17 = 14 / 17, and (1 + 14 / 17) / (1 - 14 / 17) = 31 / 3.
    steps = np.array(([0.0] * 5 + [1.0] * 5) * 2)
    assert slow_time([steps]) == pytest.approx(31 / 3)
    assert slow_time([steps, steps]) == pytest.approx(31 / 3)
    # In twos, ten neighbours are alike and nine differ: 0.05, corrected 2 / 17 = 0.12, within its error of 0.22.
    assert slow_time([np.array([0.0, 0.0, 1.0, 1.0] * 5)]) == 1.0
    assert slow_time([np.ones(20)]) == 1.0
