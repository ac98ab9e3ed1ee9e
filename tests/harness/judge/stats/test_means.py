"""Means over a few runs, against tables."""

import pytest

from harness.judge.stats.means import run_mean, share_interval


def test_three_runs_have_students_interval():
    mean = run_mean([1.0, 2.0, 3.0])
    # t(0.975, 2) = 4.302653; the standard error is 1 / sqrt(3).
    assert (mean.value, mean.low, mean.high) == (2.0, pytest.approx(-0.484138), pytest.approx(4.484138))


@pytest.mark.parametrize("values", [[5.0], [4.0, 6.0]])
def test_fewer_runs_have_none(values):
    mean = run_mean(values)
    assert (mean.value, mean.low, mean.high) == (5.0, None, None)


def test_a_share_has_wilsons_interval():
    # Newcombe (1998), table I: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0 to 0.1611.
    assert share_interval(81, 263) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    assert share_interval(0, 20) == (0.0, pytest.approx(0.1611, abs=5e-5))
    assert share_interval(0, 0) == (0.0, 1.0)
