"""Users served alike and not, with drawn and with listed response times."""

import numpy as np
import pytest

from harness.judge.numbers.target.user_inequality import user_inequality

MS = 1_000_000


def answers(each):
    """Columns of users whose response times in ms are listed."""
    user = np.concatenate([np.full(len(own), number) for number, own in enumerate(each)]).astype(np.int64)
    return user, (np.concatenate(each) * MS).astype(np.int64)


def test_users_served_alike():
    rng = np.random.default_rng(1)
    assert user_inequality(*answers([rng.exponential(5, 200) for _ in range(16)])) is None


@pytest.mark.parametrize("seed", range(10))
def test_chance_in_few_answers_is_no_inequality(seed):
    rng = np.random.default_rng(seed)
    assert user_inequality(*answers([rng.lognormal(1, 1, rng.poisson(25)) for _ in range(128)])) is None


def test_connections_that_are_slow_for_ever():
    rng = np.random.default_rng(2)
    found = user_inequality(*answers([rng.normal(20 if n % 2 else 2, 0.2, 50 if n % 2 else 500) for n in range(8)]))
    assert (found.users, found.slow) == (8, 4)
    assert found.slow_median_ns / MS == pytest.approx(20, rel=0.02)
    assert found.other_median_ns / MS == pytest.approx(2, rel=0.05)
    assert found.starved == 4


def test_a_starved_user():
    rng = np.random.default_rng(3)
    found = user_inequality(*answers([rng.normal(5, 0.5, 1700) for _ in range(7)] + [rng.normal(1000, 1, 10)]))
    assert (found.slow, found.starved, found.most, found.fewest) == (1, 1, 1700, 10)
    assert found.slow_median_ns / MS == pytest.approx(1000, rel=0.01)


def test_a_user_without_any_answer():
    rng = np.random.default_rng(4)
    found = user_inequality(*answers([rng.normal(5, 0.5, 400) for _ in range(4)]), users=8)
    assert (found.users, found.slow, found.starved, found.fewest) == (8, 0, 4, 0)
    assert found.slow_median_ns is None


def test_too_little_to_say():
    assert user_inequality(*answers([np.full(10, 5.0), np.full(2, 5.0)])) is None
    assert user_inequality(*answers([np.full(1000, 5.0)])) is None
