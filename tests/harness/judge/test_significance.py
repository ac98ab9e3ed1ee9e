from __future__ import annotations

import math

import numpy as np
import pytest

from harness.judge.interval import Interval
from harness.judge.significance import (
    Change,
    compare_rates,
    judged_together,
    measured_apart,
    of_pairs,
    worst_change,
)
from harness.judge.stats.paired_tests import PairedTest

ONE = Interval(1.0, 0.9, 1.1)
MARGIN = math.log(1.05)


def pairs(*harm):
    return of_pairs(PairedTest.of(harm), ONE, MARGIN)


@pytest.mark.parametrize(
    ("harm", "change"),
    [
        ((0.20, 0.21, 0.19, 0.20), Change.REGRESSION),
        ((-0.20, -0.21, -0.19, -0.20), Change.IMPROVED),
        ((0.00, 0.01, -0.01, 0.00), Change.EQUIVALENT),
        ((-0.05, 0.01, -0.12, -0.01), Change.NOT_WORSE),
        ((0.20, -0.30, 0.40, 0.00), Change.INCONCLUSIVE),
        ((0.02, 0.021, 0.019, 0.02), Change.EQUIVALENT),  # surely worse, and surely by less than the margin
    ],
)
def test_what_follows(harm, change):
    (found,) = judged_together([pairs(*harm)])
    assert found.change is change
    assert found.different == (change in (Change.REGRESSION, Change.IMPROVED))


def test_many_looks_take_stronger_evidence():
    # Mean 0.1033, error 0.02667, t = 3.875 with 5 degrees of freedom: p = 0.00585; of ten looks 0.0585.
    harm = (0.05, 0.12, 0.16, 0.02, 0.08, 0.19)
    alone = judged_together([pairs(*harm)])
    assert alone[0].p_worse == pytest.approx(0.00585, abs=1e-4)
    among = judged_together([pairs(*harm), *[pairs(0.2, -0.2, 0.1, -0.1)] * 9])
    assert (alone[0].change, among[0].change) == (Change.REGRESSION, Change.INCONCLUSIVE)


@pytest.mark.slow
def test_of_unchanged_pairs_one_comparison_in_twenty_has_a_false_alarm():
    rng = np.random.default_rng(1)
    alarms = [
        worst_change([each.change for each in judged_together([pairs(*rng.normal(0, 0.1, 10)) for _ in range(8)])])
        for _ in range(1000)
    ]
    assert np.mean([alarm is Change.REGRESSION for alarm in alarms]) <= 0.065


def test_apart_a_change_within_the_margin_is_none():
    # Both known to 1 %: the one-sided test of 20 % slower against 5 % is sure, against 19 % it is not.
    before, after = Interval(1200.0, 1188.0, 1212.0), Interval(1000.0, 990.0, 1010.0)
    for margin, change in ((0.05, Change.REGRESSION), (0.195, Change.INCONCLUSIVE), (0.3, Change.EQUIVALENT)):
        (found,) = judged_together([measured_apart(before, after, margin, higher_is_better=True)])
        assert found.change is change
    (found,) = judged_together([measured_apart(before, after, 0.05, higher_is_better=False)])
    assert found.change is Change.IMPROVED


def test_the_ratio_apart_by_hand():
    # Both means are known to a factor of exp(0.1): their ratio 1.2 to one of exp(0.1 sqrt(2)).
    half = np.exp(0.1)
    before, after = Interval(1100.0, 1100 / half, 1100 * half), Interval(1320.0, 1320 / half, 1320 * half)
    assert compare_rates(before, after).ratio.low == pytest.approx(1.2 * np.exp(-0.1 * np.sqrt(2)), rel=1e-4)


def test_without_an_interval_nothing_can_be_said():
    unknown, known = Interval(100.0), Interval(500.0, 499.0, 501.0)
    (found,) = judged_together([measured_apart(unknown, known, 0.05, higher_is_better=True)])
    assert found.change is Change.INCONCLUSIVE
    assert compare_rates(unknown, known).change is Change.INCONCLUSIVE


def test_the_worst_of_several():
    assert worst_change([Change.IMPROVED, Change.INCONCLUSIVE, Change.NOT_WORSE]) is Change.INCONCLUSIVE
    assert worst_change([]) is Change.INCONCLUSIVE
