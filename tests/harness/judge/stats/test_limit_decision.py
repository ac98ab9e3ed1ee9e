from __future__ import annotations

import math

import numpy as np
import pytest
import queueing
from scipy.stats import binom

from harness.judge.stats.durations import Durations
from harness.judge.stats.limit_decision import (
    LimitDecision,
    clopper_pearson_lower,
    clopper_pearson_upper,
    decide_limit,
    times_as_long,
)
from harness.judge.stats.trial_noise import TrialNoise

NONE = TrialNoise(0.0, 16)
LIMIT = 50.0


def run_of(slow, count=10_000, *, slow_ms=80.0, usual_ms=30.0, open_ms=None, seed=1):
    """`slow` of `count` responses in an order without dependence; with `open_ms`, the slow ones are still open then."""
    chosen = np.random.default_rng(seed).permutation(count) < slow
    values = np.where(chosen, slow_ms if open_ms is None else open_ms, usual_ms)
    return Durations(values, chosen if open_ms is not None else np.zeros(count, dtype=bool))


def closed(values):
    return Durations(values, np.zeros(values.size, dtype=bool))


def decision(*runs, users=None, noise=NONE):
    return decide_limit(runs, LIMIT, 0.01, users, noise).decision


def test_clopper_pearson_by_hand():
    assert clopper_pearson_upper(0, 300, 0.95) == pytest.approx(1 - 0.05 ** (1 / 300))
    assert clopper_pearson_lower(10, 10, 0.95) == pytest.approx(0.05**0.1)
    # At the bounds, 20 of 1 000 or fewer, or more, are seen once in twenty times.
    assert binom.cdf(20, 1000, clopper_pearson_upper(20, 1000, 0.95)) == pytest.approx(0.05)
    assert binom.sf(19, 1000, clopper_pearson_lower(20, 1000, 0.95)) == pytest.approx(0.05)
    assert (clopper_pearson_lower(0, 10, 0.95), clopper_pearson_upper(10, 10, 0.95)) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("slow", "expected"),
    [(20, LimitDecision.KEPT), (100, LimitDecision.NOT_YET), (500, LimitDecision.MISSED)],
)
def test_the_share_decides(slow, expected):
    found = decide_limit([run_of(slow)], LIMIT, 0.01, None, NONE)
    assert found.decision is expected
    assert found.share == slow / 10_000
    assert found.low < found.share < found.high


def test_nothing_measured_decides_nothing():
    assert decision() is LimitDecision.NOT_YET
    assert decision(run_of(0, 0)) is LimitDecision.NOT_YET


def test_open_requests_are_slow_once_they_have_waited_longer_and_unknown_before():
    assert decision(run_of(500, open_ms=60.0)) is LimitDecision.MISSED
    assert decision(run_of(500, open_ms=5.0)) is LimitDecision.NOT_YET
    assert decision(run_of(20, open_ms=5.0)) is LimitDecision.KEPT


def test_users_wait_together():
    # None of 6 400 is slow, though all come near the limit: 200 independent ones of 32 users do not show 1 %
    # (0.99^200 = 13 %), 6 400 do.
    near = closed(20.0 + 25.0 * np.random.default_rng(2).permutation(6_400) / 6_400)
    assert decision(near) is LimitDecision.KEPT
    assert decision(near, users=32) is LimitDecision.NOT_YET
    # Far from the limit, nothing having taken even half of it, it takes 70 to suppose no more stalls than that.
    far = run_of(0, 6_400, usual_ms=5.0)
    assert decision(far, users=32) is LimitDecision.KEPT
    assert decision(far, users=128) is LimitDecision.NOT_YET


def test_stalls_that_are_slow_together_count_once():
    # 1.5 % are slow: 150 alone are surely too many; the same in three stalls of 50 are three.
    assert decision(run_of(150)) is LimitDecision.MISSED
    values = np.full(10_000, 30.0)
    for start in (1_000, 5_000, 8_000):
        values[start : start + 50] = 80.0
    assert decision(closed(values)) is LimitDecision.NOT_YET


def test_run_noise_moves_the_limit():
    # All take 48 of 50 ms: kept by this run, but 5 % from run to run may make it 52 the next time.
    close = run_of(0, usual_ms=48.0)
    assert decision(close) is LimitDecision.KEPT
    assert decision(close, noise=TrialNoise(0.05, 16)) is LimitDecision.NOT_YET
    # Sixteen runs know their mean to 1.25 %: t(16; 0.95) = 1.746, 2.2 %, less than the 4 % that are left.
    assert (
        decision(*[run_of(0, usual_ms=48.0, seed=n) for n in range(16)], noise=TrialNoise(0.05, 16))
        is LimitDecision.KEPT
    )
    beyond = run_of(10_000, slow_ms=52.0)
    assert decision(beyond) is LimitDecision.MISSED
    assert decision(beyond, noise=TrialNoise(0.05, 16)) is LimitDecision.NOT_YET


@pytest.mark.parametrize("ratio", [0.9, 0.97, 1.03, 1.1])
def test_at_most_one_decision_in_twenty_is_wrong_on_a_queue(ratio):
    rng = np.random.default_rng(21)
    limit = ratio * queueing.mm1_response_quantile(0.7, 0.99)
    simulated = queueing.simulate_single_server(rng, 200, 4_000, 0.7, fixed_service=False)
    noise = np.exp(rng.normal(0, 0.05, 200))
    runs = [closed(1e6 * values) for values in simulated * noise[:, None]]
    found = [
        decide_limit(runs[n : n + 2], 1e6 * limit, 0.01, None, TrialNoise(0.05, 16)).decision for n in range(0, 200, 2)
    ]
    wrong = LimitDecision.KEPT if ratio < 1 else LimitDecision.MISSED
    assert found.count(wrong) <= 5


def test_what_is_far_from_the_limit_is_decided_from_few():
    rng = np.random.default_rng(22)
    simulated = queueing.simulate_single_server(rng, 100, 3_000, 0.7, fixed_service=False)
    p99 = queueing.mm1_response_quantile(0.7, 0.99)
    for ratio, right in ((3.0, LimitDecision.KEPT), (0.4, LimitDecision.MISSED)):
        found = [decide_limit([closed(1e6 * values)], 1e6 * ratio * p99, 0.01, None, NONE) for values in simulated]
        assert np.mean([each.decision is right for each in found]) >= 0.9


def test_the_bounds_of_the_share_hold_it():
    # Independent exponential responses with 2 % above the limit: each bound fails in at most one of twenty.
    rng = np.random.default_rng(23)
    limit = -math.log(0.02)
    found = [decide_limit([closed(rng.exponential(1e6, 2000))], 1e6 * limit, 0.01, None, NONE) for _ in range(200)]
    assert np.mean([each.low > 0.02 for each in found]) <= 0.05
    assert np.mean([each.high < 0.02 for each in found]) <= 0.05


def evenly(slow):
    """10 000 responses, of which `slow` lie at equal distances: no two of them depend on each other."""
    values = np.full(10_000, 30.0)
    values[np.linspace(0, 9_999, slow).astype(int)] = 80.0
    return closed(values)


@pytest.mark.parametrize("slow", [88, 90, 110, 113])
def test_so_many_times_as_long_decides(slow):
    times = times_as_long([evenly(slow)], LIMIT, 0.01, None, NONE)
    # By the normal approximation: the distance from 1 % is 1.645 standard errors of the share.
    share = slow / 10_000
    assert 1.0 < times < 2.0 * 1.645**2 * share * (1 - share) / (10_000 * (share - 0.01) ** 2)
    decided = LimitDecision.KEPT if share < 0.01 else LimitDecision.MISSED
    assert [decision(*[evenly(slow)] * runs) for runs in (1, math.ceil(times))] == [LimitDecision.NOT_YET, decided]


def test_a_share_at_the_limit_is_not_decided_by_any_length():
    assert times_as_long([run_of(100)], LIMIT, 0.01, None, NONE) is None
    assert times_as_long([], LIMIT, 0.01, None, NONE) is None
