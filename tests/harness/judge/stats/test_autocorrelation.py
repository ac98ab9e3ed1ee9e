from __future__ import annotations

import numpy as np
import pytest
from queueing import simulate_ar1

from harness.judge.stats.autocorrelation import (
    autocorrelation,
    autocorrelation_time,
    indicator_time,
)


def by_definition(values, lag):
    centred = values - values.mean()
    return (centred[: values.size - lag] * centred[lag:]).sum() / (centred**2).sum()


@pytest.mark.parametrize("lags", [4, 7, 50, 64])
def test_autocorrelation_is_the_definition_whatever_the_block_length(lags):
    values = np.random.default_rng(2).normal(size=50).cumsum()
    expected = [by_definition(values, lag) for lag in range(min(lags, 50))]
    assert autocorrelation(values, lags)[:50] == pytest.approx(expected, abs=1e-12)
    assert autocorrelation(values.astype(np.float32), lags)[:50] == pytest.approx(expected, abs=1e-5)


def test_a_constant_is_independent():
    assert autocorrelation(np.ones(10), 4).tolist() == [1, 0, 0, 0]
    assert autocorrelation_time(np.ones(100)) == 1.0


def test_blocks_of_equal_values_are_worth_one_sample_each():
    values = np.repeat(np.random.default_rng(3).normal(size=20_000), 10)
    assert autocorrelation_time(values) == pytest.approx(10, rel=0.1)


def test_independent_data_has_a_time_of_about_one():
    rng = np.random.default_rng(4)
    times = [autocorrelation_time(rng.random(20_000) > 0.99) for _ in range(50)]
    assert 1.0 <= np.median(times) <= 1.3


def test_autoregression_has_its_known_time():
    # For the sequence itself: (1 + phi) / (1 - phi).
    rng = np.random.default_rng(5)
    for phi in (0.5, 0.9):
        times = [autocorrelation_time(values) for values in simulate_ar1(rng, 20, 50_000, phi)]
        assert np.mean(times) == pytest.approx((1 + phi) / (1 - phi), rel=0.1)


def test_time_of_the_exceedance_of_an_autoregression():
    # Above its median, a normal AR(1) has correlations (2 / pi) asin(phi^k): summed over lags by hand here.
    phi = 0.9
    expected = 1 + 2 * sum(2 / np.pi * np.arcsin(phi**k) for k in range(1, 500))
    rng = np.random.default_rng(6)
    times = [autocorrelation_time(values > 0) for values in simulate_ar1(rng, 20, 50_000, phi)]
    assert np.mean(times) == pytest.approx(expected, rel=0.1)


def test_dependence_longer_than_the_first_block_of_lags_is_seen():
    values = np.repeat(np.random.default_rng(7).normal(size=100), 3000)
    assert autocorrelation_time(values) == pytest.approx(3000, rel=0.35)


@pytest.mark.parametrize("length", [1, 3, 40])
def test_counted_lags_agree_with_the_transform(length):
    rng = np.random.default_rng(3)
    clusters = np.repeat(rng.random(50_000 // length) < 0.1, length)  # 40 in a row: more lags than are counted
    assert indicator_time(clusters) == pytest.approx(autocorrelation_time(clusters), rel=1e-5)
    assert indicator_time(np.array([True, False])) == 1.0
