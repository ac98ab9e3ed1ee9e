"""Lengths of conversations: what their text means, and what is drawn."""

from random import Random

import pytest

from harness.errors import UserError
from harness.plan.chat_shape import Length, parse_length


def test_a_lognormal_length_without_spread_is_its_median():
    length = parse_length("lognormal:64,0", "--output-tokens")
    assert ({length.draw(Random(seed)) for seed in range(50)}, str(length)) == ({64}, "64")


def test_a_lognormal_length_varies_about_its_median():
    length, rng = parse_length("lognormal:64,0.5", "--output-tokens"), Random(1)
    drawn = sorted(length.draw(rng) for _ in range(1001))
    assert 58 < drawn[500] < 70  # the standard error of its logarithm is 0.5 * sqrt(pi / 2 / 1001) = 0.02
    assert drawn[0] < 30 < 130 < drawn[-1]
    assert str(length) == "lognormal:64,0.5"


@pytest.mark.parametrize("text", ["lognormal:64,99", "lognormal:0,0.5", "lognormal:64", "lognormal:64,-1", "0", "9-3"])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(UserError, match=rf"^--output-tokens {text}: write for example 64, 8-64 or lognormal"):
        parse_length(text, "--output-tokens")


def test_a_range_is_drawn_uniformly_with_both_ends():
    assert {parse_length("2-4", "--turns").draw(Random(seed)) for seed in range(50)} == {2, 3, 4}
    assert parse_length("7", "--turns") == Length(low=7, high=7)
