import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from harness.search.surrogate import CONSTANT, _Density, fit, prior_of

PLACES = np.linspace(0.0, 1.0, 6)
TABLE = np.abs(PLACES[:, None] - PLACES)


def test_one_dimension_is_the_process_of_scikit_learn():
    codes, values = np.array([[0], [2], [3], [5]]), np.array([0.1, 0.9, 0.7, -0.4])
    variances = np.array([0.01, 0.04, 0.01, 0.09])
    theta = prior_of(1)[0]
    amplitude, length, _, rest, noise = np.exp(theta)
    kernel = ConstantKernel(CONSTANT) + ConstantKernel(amplitude**2 + rest**2) * Matern(length, nu=2.5)
    other = GaussianProcessRegressor(kernel, alpha=variances + noise**2, optimizer=None)
    other.fit(PLACES[codes[:, 0], None], values - np.median(values))
    model = fit([TABLE], codes, values, variances, theta, learn=False)
    mean, deviation = model.predict(np.arange(6)[:, None])
    expected, spread = other.predict(PLACES[:, None], return_std=True)
    assert mean == pytest.approx(expected + np.median(values), abs=1e-6)
    assert deviation == pytest.approx(model.stretch * spread, abs=1e-5)


def test_the_gradient_is_that_of_finite_differences():
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 6, (12, 3))
    distances = np.array([TABLE[codes[:, index][:, None], codes[:, index]] for index in range(3)])
    density = _Density(distances, rng.standard_normal(12), np.full(12, 0.01))
    theta = prior_of(3)[0] + 0.3 * rng.standard_normal(9)
    _, gradient = density(theta)
    steps = 1e-5 * np.eye(9)
    numeric = [(density(theta + step)[0] - density(theta - step)[0]) / 2e-5 for step in steps]
    assert gradient == pytest.approx(numeric, rel=1e-4, abs=1e-5)


def test_effects_that_add_up_are_learnt_from_few_of_all_combinations():
    rng = np.random.default_rng(2)
    effects = np.array([[0.0, 0.2, 0.4, 0.5, 0.5, 0.4], [0.0, -0.3, 0.1, 0.0, 0.2, -0.1], [0.0] * 6, [0.0] * 6])
    all_codes = np.array(np.meshgrid(*[np.arange(6)] * 4)).reshape(4, -1).T
    truth = sum(effects[index][all_codes[:, index]] for index in range(4))
    seen = rng.permutation(len(all_codes))[:40]
    values = truth[seen] + 0.02 * rng.standard_normal(40)
    tables = [TABLE, 1.0 - np.eye(6), TABLE, TABLE]
    mean, deviation = fit(tables, all_codes[seen], values, np.full(40, 1e-4)).predict(all_codes)
    errors = mean - truth
    assert np.sqrt((errors**2).mean()) < 0.05  # the truth spreads by 0.26
    assert (np.abs(errors) < 2 * deviation + 0.02).mean() > 0.9


def test_an_observation_counts_by_its_own_noise():
    codes, values = np.array([[2], [2]]), np.array([0.0, 1.0])
    model = fit([TABLE], codes, values, np.array([0.0001, 1.0]))
    assert model.predict(np.array([[2]]))[0] == pytest.approx(0.0, abs=0.05)


def test_deviations_grow_where_observations_surprise_each_other():
    codes, values = np.arange(6)[:, None], np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    theta = prior_of(1)[0]
    calm, wild = (fit([TABLE], codes, scale * values, np.full(6, 1e-4), theta, learn=False) for scale in (0.02, 3.0))
    assert calm.stretch == 1.0
    assert wild.stretch > 5.0
