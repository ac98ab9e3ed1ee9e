"""A leak among other courses of the median response time."""

import numpy as np
import pytest

from harness.judge.numbers.target.slowdown import slowdown

TIME = np.arange(40)
NOISE = np.random.default_rng(1).normal(1, 0.03, 40)


def test_a_leak():
    # 2 to 9.8 on a straight line; on logarithms a line through all windows begins higher and ends higher than that.
    found = slowdown((2 + 2 * TIME / 10) * NOISE)
    slope, start = np.polyfit(TIME, np.log(2 + 2 * TIME / 10), 1)
    assert found.first == pytest.approx(np.exp(start), rel=0.1)
    assert found.last == pytest.approx(np.exp(start + 39 * slope), rel=0.1)


@pytest.mark.parametrize("rise", [0.06, 0.3])
def test_a_small_leak_is_measured(rise):
    found = slowdown((1 + rise * TIME / 39) * (1 + (NOISE - 1) / 3))  # within 1 %
    assert found.factor == pytest.approx(1 + rise, abs=0.02)


@pytest.mark.parametrize(
    "course",
    [
        np.ones(40),
        1 + 0.0005 * TIME,  # 2 % slower on the whole
        10 / (1 + TIME),  # warming up: faster
        np.where(TIME < 24, 1, 3),  # changes its level
        1 - np.exp(-TIME / 5) * 0.8,  # settles
        1 + 0.5 * np.sin(TIME / 3),
    ],
)
def test_what_is_no_leak(course):
    assert slowdown(course * NOISE) is None


def test_chance_is_no_leak():
    rng = np.random.default_rng(2)
    assert all(slowdown(rng.lognormal(0, 0.5, count)) is None for count in (12, 40) for _ in range(300))


def test_too_few_windows():
    assert slowdown(np.arange(1.0, 12.0)) is None


@pytest.mark.parametrize("place", range(8, 33, 4))
def test_a_jump_is_no_leak_wherever_it_is(place):
    assert slowdown(np.where(place > TIME, 1, 1.3) * NOISE) is None
