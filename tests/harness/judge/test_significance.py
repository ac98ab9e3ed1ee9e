from __future__ import annotations

import msgspec
import numpy as np
import pytest

from harness.judge.interval import Interval
from harness.judge.significance import Change, Runs, compare
from harness.judge.stats.ratio_intervals import paired_ratio, sign_flip_p_value


def runs_of(*values, half=None):
    mean = float(np.mean(values))
    half = 0.001 * mean if half is None else half
    return Runs(tuple(map(float, values)), Interval(value=mean, low=mean - half, high=mean + half))


def drifting(rng, count, factor=1.0, noise=0.02):
    """Runs in blocks on a machine that drifts by 1 to 2 % per run, which both of a block's runs share."""
    machine = np.exp(np.cumsum(rng.normal(0, 0.015, count)))
    return [runs_of(*(1000 * each * machine * np.exp(rng.normal(0, noise, count)))) for each in (1.0, factor)]


def test_paired_ratio_by_hand():
    # ln ratios ln 2, ln 2, ln 2 + 0.3: mean ln 2 + 0.1, standard error 0.1, t(2) = 4.3027 and 2.9200.
    ratio = paired_ratio([1, 10, 100], [2, 20, 200 * np.exp(0.3)])
    expected = 2 * np.exp([0.1, 0.1 - 0.43027, 0.1 + 0.43027, 0.1 - 0.292, 0.1 + 0.292])
    value, low, high = msgspec.structs.astuple(ratio.interval)
    assert (value, low, high, ratio.low_90, ratio.high_90) == pytest.approx(expected, rel=1e-4)


def test_sign_flip_is_exact():
    # All six differences have one sign: only the two extreme patterns of 64 are as far from zero.
    before, after = [1.0] * 6, [1.1, 1.2, 1.3, 1.15, 1.05, 1.25]
    assert sign_flip_p_value(before, after) == pytest.approx(2 / 64)
    assert sign_flip_p_value(before[:5], after[:5]) is None


@pytest.mark.slow
def test_identical_things_are_called_different_in_at_most_one_of_twenty():
    rng = np.random.default_rng(1)
    alarms = [compare(*drifting(rng, 8)).different for _ in range(400)]
    assert np.mean(alarms) <= 0.05


def test_single_identical_runs_are_called_different_in_at_most_one_of_twenty():
    # Runs differ by 2 %, and their intervals hold that.
    rng = np.random.default_rng(2)
    alarms = [
        compare(*(runs_of(1000 * np.exp(rng.normal(0, 0.02)), half=39.2) for _ in "ab")).different for _ in range(400)
    ]
    assert np.mean(alarms) <= 0.05


def test_two_repeats_are_compared_by_their_intervals():
    # Both means are known to a factor of exp(0.1): their ratio 1.2 to one of exp(0.1 sqrt(2)).
    half = np.exp(0.1)
    before = Runs((990.0, 1210.0), Interval(1100.0, 1100 / half, 1100 * half))
    after = Runs((1190.0, 1450.0), Interval(1320.0, 1320 / half, 1320 * half))
    assert compare(before, after).ratio.low == pytest.approx(1.2 * np.exp(-0.1 * np.sqrt(2)), rel=1e-5)
    wide = Runs(before.values, Interval(1100.0, 900.0, 1350.0))
    assert not compare(wide, after).different


@pytest.mark.slow
def test_a_difference_of_5_percent_is_found():
    rng = np.random.default_rng(3)
    found = [compare(*drifting(rng, 12, 1.05)).change for _ in range(200)]
    assert np.mean([change is Change.IMPROVED for change in found]) >= 0.9


def test_equality_can_be_shown():
    rng = np.random.default_rng(4)
    found = [compare(*drifting(rng, 6, noise=0.01)).change for _ in range(200)]
    assert np.mean([change is Change.EQUIVALENT for change in found]) >= 0.9


@pytest.mark.parametrize(
    ("after", "higher_is_better", "change"),
    [
        ((120, 121, 119), True, Change.IMPROVED),
        ((120, 121, 119), False, Change.REGRESSION),
        ((80, 81, 79), True, Change.REGRESSION),
        ((80, 81, 79), False, Change.IMPROVED),
        ((100, 101, 99), True, Change.EQUIVALENT),
        ((80, 100, 150), True, Change.INCONCLUSIVE),
    ],
)
def test_what_follows(after, higher_is_better, change):
    found = compare(runs_of(100, 101, 100), runs_of(*after), higher_is_better=higher_is_better)
    assert (found.change, found.runs) == (change, 3)
    assert found.ratio.low <= found.ratio.value <= found.ratio.high


def test_without_an_interval_nothing_can_be_said():
    unknown = Runs((100.0,), Interval(value=100.0))
    assert compare(unknown, runs_of(500)).change is Change.INCONCLUSIVE
