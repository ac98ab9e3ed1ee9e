from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from harness.judge.stats.paired_tests import PairedTest, effect_found, holm, pairs_to_find, power_of


def test_mean_and_reach_by_hand():
    # Differences 0.1, 0.1, 0.4: mean 0.2, deviation 0.1732, error 0.1, t(2) = 4.3027.
    test = PairedTest.of([0.1, 0.1, 0.4])
    assert (test.mean, test.error, test.pairs) == (pytest.approx(0.2), pytest.approx(0.1), 3)
    assert test.reach == pytest.approx(0.43027, rel=1e-4)


@pytest.mark.parametrize("bound", [-0.1, 0.0, 0.05])
def test_one_sided_p_values_are_those_of_scipy(bound):
    differences = np.random.default_rng(1).normal(0.02, 0.05, 9)
    test = PairedTest.of(differences)
    assert test.p_above(bound) == pytest.approx(ttest_1samp(differences, bound, alternative="greater").pvalue)
    assert test.p_below(bound) == pytest.approx(ttest_1samp(differences, bound, alternative="less").pvalue)


def test_differences_that_are_all_alike():
    same = PairedTest.of([0.0, 0.0, 0.0])
    assert (same.p_above(0.0), same.p_below(0.0), same.p_below(0.005)) == (1.0, 1.0, 0.0)


@pytest.mark.parametrize(("noise", "pairs"), [(0.01, 4), (0.02, 6), (0.03, 11), (0.05, 25), (0.1, 91)])
def test_pairs_that_find_5_percent(noise, pairs):
    # The numbers of pairs that simulations of AB/BA blocks needed for 90 % power, two-sided 5 %.
    assert pairs_to_find(math.log(1.05), noise * math.sqrt(2), 0.025) == pytest.approx(pairs, abs=1)


def test_power_is_that_of_simulated_tests():
    rng = np.random.default_rng(2)
    found = [PairedTest.of(rng.normal(0.05, 0.06, 12)).p_above(0.0) < 0.0125 for _ in range(2000)]
    assert power_of(0.05, 0.06, 12, 0.0125) == pytest.approx(np.mean(found), abs=0.035)


def test_the_effect_found_is_the_inverse_of_the_pairs_needed():
    effect = effect_found(12, 0.04, 0.05)
    assert pairs_to_find(1.001 * effect, 0.04, 0.05) == 12
    assert pairs_to_find(0.95 * effect, 0.04, 0.05) > 12


def test_holm_by_hand():
    # 4 x 0.01; 3 x 0.02; 2 x 0.03 and 0.04 are not below what comes before them.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
