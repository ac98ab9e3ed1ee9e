"""Acceptance of the steady-state detector on sequences whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import queueing
from scipy.stats import theilslopes

from harness.judge.stats.steady_state import Motion, find_steady_state, long_run_deviation, median_slope, mser5

SEEDS = 100


def noise(seed, count, phi=0.0, deviation=0.03):
    return deviation * queueing.simulate_ar1(np.random.default_rng(seed), 1, count, phi)[0]


def starts(make):
    return [find_steady_state(make(seed)).start for seed in range(SEEDS)]


def test_the_median_slope():
    assert median_slope(np.array([0.0, 1.0, 5.0])) == 2.5  # of 1, 4 and 2.5
    values = noise(0, 120)
    assert median_slope(values) == theilslopes(values).slope


def test_mser5_cuts_a_step_where_it_is():
    assert mser5(1 + 0.5 * (np.arange(600) < 50)) == 50


def test_mser5_leaves_no_bias_after_an_exponential_warm_up():
    sequences = [1 + 2 * np.exp(-np.arange(600) / 60) + noise(seed, 600, deviation=0.1) for seed in range(SEEDS)]
    cuts = [mser5(windows) for windows in sequences]
    biases = [windows[cut:].mean() - 1 for windows, cut in zip(sequences, cuts, strict=True) if cut is not None]
    assert len(biases) >= 0.95 * SEEDS
    assert 150 <= np.median([cut for cut in cuts if cut is not None]) <= 260
    assert abs(np.mean(biases)) < 0.015


def test_mser5_says_when_the_sequence_is_too_short():
    assert mser5(np.linspace(2, 1, 100)) is None


@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_a_flat_sequence_is_steady_from_its_start(phi):
    unsteady = [start != 0 for start in starts(lambda seed: 1 + noise(seed, 120, phi))]
    assert np.mean(unsteady) <= 0.05


@pytest.mark.parametrize("phi", [0.0, 0.5])
def test_late_throttling_is_no_steady_state(phi):
    late = np.where(np.arange(120) >= 80, 1.15, 1.0)
    found = [find_steady_state(late + noise(seed, 120, phi)) for seed in range(SEEDS)]
    assert np.mean([state.start is None for state in found]) >= 0.95
    assert np.mean([state.change for state in found]) == pytest.approx(0.15, abs=0.05)


def test_a_drift_is_no_steady_state():
    found = [find_steady_state(np.linspace(1, 1.2, 120) + noise(seed, 120)) for seed in range(SEEDS)]
    assert np.mean([state.start is None for state in found]) >= 0.95


def test_a_slow_warm_up_is_cut_off_or_refused():
    # The rule "three windows within 10 %" accepts the first three here, 47 % too high.
    i = np.arange(120)
    for seed in range(SEEDS):
        windows = 1 + 0.5 * np.exp(-i / 20) + noise(seed, 120)
        state = find_steady_state(windows)
        assert state.motion is not None
        assert state.start is None or abs(windows[state.start :].mean() - 1) < 0.03


def test_a_clean_step_is_warm_up():
    state = find_steady_state(np.where(np.arange(100) < 20, 2.0, 1.0) + noise(1, 100, deviation=0.01))
    assert (state.start, state.motion) == (20, Motion.WARM_UP)


def test_better_is_as_suspicious_as_worse():
    for factor in (0.85, 1.15):
        late = np.where(np.arange(120) >= 80, factor, 1.0)
        assert find_steady_state(late + noise(2, 120)).start is None


@pytest.mark.parametrize(("rho", "count"), [(0.5, 20_000), (0.8, 20_000), (0.9, 4_000)])
def test_the_ups_and_downs_of_a_queue_are_steady(rho, count):
    runs = queueing.simulate_single_server(np.random.default_rng(3), 60, count, rho, fixed_service=False)
    windows = np.median(runs.reshape(60, 80, -1), axis=2)
    assert np.mean([find_steady_state(each).start != 0 for each in windows]) <= 0.1


@pytest.mark.parametrize("seed", range(20))
def test_a_server_that_pauses_now_and_then_is_steady(seed):
    # As one that collects garbage: every tenth window has half of the throughput, and the last one hardly any.
    windows = 1 + noise(seed, 120) - 0.5 * (np.arange(120) % 10 == 7)
    windows[-1] = 0.18
    assert find_steady_state(windows).start == 0


def test_too_short_to_say():
    assert find_steady_state(np.ones(19)) is None
    assert find_steady_state(np.zeros(50)) is None
    assert find_steady_state(np.ones(20)).start == 0


def test_long_run_deviation_of_an_autoregression():
    # sigma sqrt((1 + phi) / (1 - phi)) = 0.03 * sqrt(3) at phi = 0.5
    found = [long_run_deviation(noise(seed, 2_000, 0.5)) for seed in range(20)]
    assert np.mean(found) == pytest.approx(0.03 * np.sqrt(3), rel=0.1)
