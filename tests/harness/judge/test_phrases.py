"""A rate with its interval, in a sentence."""

from harness.judge.interval import Interval
from harness.judge.phrases import rate_text, ratio_text


def test_an_interval_that_says_nothing_is_not_written():
    assert rate_text(Interval(264.0, 0.08, 870_000.0), "req/s") == "264 req/s (not known how exactly)"
    assert rate_text(Interval(264.0, 84.0, 830.0), "req/s") == "264 req/s (84–830)"
    assert rate_text(Interval(264.0), "req/s") == "264 req/s"
    assert ratio_text(Interval(2.0, 0.1, 40.0)) == "2× (not known how exactly)"


def test_a_share_that_may_be_nothing_is_not_vague():
    assert not Interval(0.01, 0.0, 0.02).vague
    assert Interval(0.01, 0.0001, 0.02).vague
