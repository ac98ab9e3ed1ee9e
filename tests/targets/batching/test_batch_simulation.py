"""The queue and its policies in simulated time, held against what is known exactly (affine service s(b) = a*b + t0)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.batching.batch_simulation import serve
from targets.batching.curve import ServiceCurve
from targets.batching.fixed import FixedPolicy
from targets.batching.greedy import GreedyPolicy
from targets.batching.slo import GUARD_SHARE, SloPolicy

MS = 1_000_000


def affine(slope_ms, start_ms):
    return lambda rows: (slope_ms * rows + start_ms) * MS


def poisson(rate_per_ms, count, seed=1):
    return np.cumsum(np.random.default_rng(seed).exponential(MS / rate_per_ms, count)).astype(np.int64)


@pytest.mark.slow
# Mean response in ms and mean batch from the exact Markov chain on the queue at the start of each batch.
@pytest.mark.parametrize(
    ("rate_per_ms", "batch_size", "response_ms", "mean_batch", "count"),
    [
        (2.0, 8, 2.7810, 3.406, 100_000),
        (2.8, 8, 4.5746, 6.372, 500_000),  # at 95 % of its capacity answers depend on each other for long
        (1.5, 4, 2.4637, None, 100_000),
        (2.0, 4096, 2.7719, None, 100_000),
    ],
)
def test_greedy_is_the_exact_batching_chain(rate_per_ms, batch_size, response_ms, mean_batch, count):
    served = serve(poisson(rate_per_ms, count), GreedyPolicy(), batch_size, affine(0.2, 1.0))
    assert served.response_ns.mean() / MS == pytest.approx(response_ms, rel=0.02)
    if mean_batch is not None:
        assert served.batch_rows.mean() == pytest.approx(mean_batch, rel=0.02)


@pytest.mark.parametrize("batch_size", [2, 8, 64])
def test_batching_gains_no_more_than_its_ceiling(batch_size):
    slope_ms, start_ms = 0.3, 3.0
    at_once = np.zeros(64 * 50, np.int64)
    one, many = (serve(at_once, GreedyPolicy(), size, affine(slope_ms, start_ms)) for size in (1, batch_size))
    gain = one.done_ns.max() / many.done_ns.max()
    assert gain == pytest.approx((slope_ms + start_ms) / (slope_ms + start_ms / batch_size), rel=1e-6)
    assert gain < 1 + start_ms / slope_ms


def test_the_curve_is_learnt_through_noise():
    rng = np.random.default_rng(3)
    curve = ServiceCurve()
    for rows in rng.choice([1, 8, 64], 50):
        curve.observe(int(rows), round((0.3 * rows + 3.0) * MS * rng.normal(1, 0.05)))
    start, slope = curve.predict_ns(0) / MS, (curve.predict_ns(100) - curve.predict_ns(0)) / 100 / MS
    assert slope == pytest.approx(0.3, rel=0.05)
    assert start == pytest.approx(3.0, rel=0.05)


SERVICE = affine(0.3, 3.0)
SLO_MS = 20.0


def share_within_slo(served):
    return (served.response_ns <= SLO_MS * MS).mean()


@pytest.mark.slow
@pytest.mark.parametrize("rate_per_ms", [0.3, 0.8, 1.3, 1.8, 2.2])
def test_waiting_as_long_as_the_objective_allows_costs_no_capacity(rate_per_ms):
    arrivals = poisson(rate_per_ms, 20_000)
    fixed = [
        serve(arrivals, FixedPolicy(wait_ms), size, SERVICE) for size in (8, 16, 64) for wait_ms in (0.0, 2.0, 5.0)
    ]
    slo = serve(arrivals, SloPolicy(SLO_MS), 64, SERVICE)
    assert share_within_slo(slo) >= 0.95 * max(map(share_within_slo, fixed))
    greedy = serve(arrivals, GreedyPolicy(), 64, SERVICE)
    assert slo.busy_ns <= greedy.busy_ns, "larger batches, less compute"


@pytest.mark.slow
def test_on_a_daily_wave_it_misses_half_as_often_as_a_batch_size_that_is_too_small():
    rate_per_ms = 1.3 + np.sin(np.linspace(0, 4 * np.pi, 60_000))
    arrivals = np.cumsum(np.random.default_rng(5).exponential(MS / rate_per_ms)).astype(np.int64)
    wrong = serve(arrivals, GreedyPolicy(), 16, SERVICE)
    slo = serve(arrivals, SloPolicy(SLO_MS), 64, SERVICE)
    assert 1 - share_within_slo(slo) <= 0.5 * (1 - share_within_slo(wrong))
    assert slo.busy_share < 0.85 * serve(arrivals, GreedyPolicy(), 64, SERVICE).busy_share


@given(
    gaps_ns=st.lists(st.integers(0, 5 * MS), min_size=1, max_size=80),
    slo_ms=st.floats(0.1, 30),
    slope_ms=st.floats(0, 2),
    start_ms=st.floats(0, 5),
)
def test_slo_never_holds_a_row_beyond_its_objective(gaps_ns, slo_ms, slope_ms, start_ms):
    served = serve(np.cumsum(gaps_ns), SloPolicy(slo_ms), 8, affine(slope_ms, start_ms))
    assert sorted(served.taken_ns) == list(served.taken_ns), "in order"
    allowed_ns = slo_ms * (1 - GUARD_SHARE) * MS
    ends = np.unique(served.done_ns)
    for arrived_ns, taken_ns in zip(served.arrived_ns, served.taken_ns, strict=True):
        free_ns = max(ends[ends <= taken_ns], default=0)
        assert taken_ns <= max(arrived_ns + allowed_ns + 1, free_ns)
