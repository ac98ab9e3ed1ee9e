"""A rate with its interval, in a sentence."""

from harness.judge.interval import Interval
from harness.judge.phrases import points_text, rate_text, ratio_text


def test_an_interval_that_says_nothing_is_not_written():
    assert rate_text(Interval(264.0, 0.08, 870_000.0), "req/s") == "264 req/s (not known how exactly)"
    assert rate_text(Interval(264.0, 84.0, 830.0), "req/s") == "264 req/s (84–830)"
    assert rate_text(Interval(264.0), "req/s") == "264 req/s"
    assert ratio_text(Interval(2.0, 0.1, 40.0)) == "2× (not known how exactly)"


def test_a_share_that_may_be_nothing_is_not_vague():
    assert not Interval(0.01, 0.0, 0.02).vague
    assert Interval(0.01, 0.0001, 0.02).vague


def test_a_difference_of_shares_is_in_percentage_points_and_within_what_shares_can_be():
    assert points_text(Interval(0.03, 0.02, 0.041)) == "+3 (+2 to +4.1) percentage points"
    assert points_text(Interval(-0.06, -0.07, -0.05)) == "-6 (-7 to -5) percentage points"
    assert points_text(Interval(1.0, 1.0, 1.0)) == "+100 (+100 to +100) percentage points"
    # Two pairs of 0 and 40 %: a mean of 20 %, and 12.7 standard errors of 20 % on either side.
    assert points_text(Interval(0.2, -2.34, 2.74)) == "+20 (-100 to +100) percentage points"
    assert points_text(Interval(-1e-18, -0.001, 0.001)) == "0 (-0.1 to +0.1) percentage points"
