"""The independent truths agree with published figures, and the simulations with them."""

from __future__ import annotations

import numpy as np
import pytest
import queueing


def test_published_quantiles_of_md1():
    # method: P(R <= t) by Erlang's series; figures to four decimals from a computation in 50 digits.
    for rho, expected in {
        0.5: (1.0, 3.0506, 4.3363),
        0.8: (2.2759, 7.6203, 11.3559),
        0.9: (4.013, 15.1287, 22.8982),
    }.items():
        found = [queueing.md1_response_quantile(rho, p) for p in (0.5, 0.95, 0.99)]
        assert found == pytest.approx(expected, abs=1e-3)


def test_published_means():
    assert queueing.mdc_mean_wait(0.8, 4) == pytest.approx(0.3854, abs=1e-3)
    assert queueing.mmc_mean_wait(0.8, 1) == pytest.approx(4.0)  # rho / (1 - rho)
    assert queueing.md1_mean_response(0.8) == pytest.approx(3.0)
    throughputs = [queueing.closed_throughput(users, 0.1, 0.9)[0] for users in (1, 5, 10, 20)]
    assert throughputs == pytest.approx([1, 4.7509, 8.3204, 9.9938], abs=1e-4)


def test_the_simulation_agrees_with_the_formulas():
    rng = np.random.default_rng(1)
    fixed = queueing.simulate_single_server(rng, 20, 100_000, 0.8, fixed_service=True)
    assert fixed.mean() == pytest.approx(3.0, rel=0.02)
    assert np.quantile(fixed, 0.99) == pytest.approx(11.356, rel=0.04)
    exponential = queueing.simulate_single_server(rng, 20, 100_000, 0.5, fixed_service=False)
    assert exponential.mean() == pytest.approx(2.0, rel=0.02)
