"""A leak among other courses of the median response time."""

import numpy as np
import pytest

from harness.judge.numbers.target.slowdown import slowdown

TIME = np.arange(40)
NOISE = np.random.default_rng(1).normal(1, 0.03, 40)


def test_a_leak():
    found = slowdown((2 + 2 * TIME / 10) * NOISE)
    # Thirds of 13 windows: the median of the first is that of window 6, of the last that of window 33.
    assert found.first == pytest.approx(3.2, rel=0.05)
    assert found.last == pytest.approx(8.6, rel=0.05)
    assert found.factor == pytest.approx(2.7, rel=0.1)


@pytest.mark.parametrize(
    "course",
    [
        np.ones(40),
        1 + 0.004 * TIME,  # 16 % slower on the whole
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
    assert all(slowdown(rng.lognormal(0, 0.5, 12)) is None for _ in range(300))


def test_too_few_windows():
    assert slowdown(np.arange(1.0, 9.0)) is None
