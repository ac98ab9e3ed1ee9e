"""A Gaussian process over settings, whose kernel is additive: a guess of every setting from the few that were tried.

The effects of knobs on the log of a figure mostly add up, so the kernel is a sum: of one term for each dimension, of
one for each pair of dimensions, and of one for what only all together explain (Duvenaud, Nickisch and Rasmussen,
*Additive Gaussian Processes*, 2011). Each term is a Matérn 5/2 kernel of the distance in its dimension: of logs for
numbers, 0 or 1 for categories. The sum over pairs follows from power sums (Newton-Girard). Each observation has a noise
variance of its own. Hyperparameters are those of the greatest posterior density (Rasmussen and Williams, *Gaussian
Processes for Machine Learning*, 2006, chapter 5), under priors that keep them sane while there is little to learn from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.search.space import Codes, Floats

CONSTANT = 1.0  # variance of the common level around the mean of what was observed
# Medians and deviations of the logs: of a dimension's amplitude and length, and of the scales of what follows them.
AMPLITUDE, LENGTH = (0.25, 1.0), (0.8, 0.6)
PAIRS, REST, NOISE = (1.0, 1.0), (0.05, 1.0), (0.04, 0.6)
ITERATIONS, AGAIN = 25, 8  # from the priors' medians; from what was learnt before
_BOUND = 3.0  # deviations from the median at most
_ROOT5 = float(np.sqrt(5.0))


def prior_of(dimensions: int) -> tuple[Floats, Floats]:
    """Means and deviations of the log hyperparameters: amplitudes, lengths, pairs, rest, noise."""
    medians = [*[AMPLITUDE] * dimensions, *[LENGTH] * dimensions, PAIRS, REST, NOISE]
    return np.log([median for median, _ in medians]), np.array([spread for _, spread in medians])


@dataclass(frozen=True)
class Surrogate:
    """What is believed of every setting. `tables`: for each dimension the distances between its values.

    codes: (n, dimensions) of the observations; theta: the log hyperparameters.
    """

    tables: Sequence[Floats]
    codes: Codes
    mean: float
    theta: Floats
    factor: Floats  # lower Cholesky factor of the covariance of the observations
    weights: Floats
    stretch: float = 1.0  # of deviations, by how much each observation surprises the others; at least 1

    @property
    def noise(self) -> float:
        """Deviation from trial to trial beyond what the trials themselves show."""
        return float(np.exp(self.theta[-1]))

    def predict(self, codes: Codes) -> tuple[Floats, Floats]:
        """Mean and standard deviation of each setting, without the noise of a trial."""
        from scipy.linalg import solve_triangular

        cross = self._kernel(codes, self.codes)
        half = solve_triangular(self.factor, cross.T, lower=True, check_finite=False)
        variance = self._prior_variance() - (half * half).sum(axis=0)
        return self.mean + cross @ self.weights, self.stretch * np.sqrt(variance.clip(min=1e-10))

    def joint(self, codes: Codes) -> tuple[Floats, Floats]:
        """Mean and covariance of some settings together."""
        from scipy.linalg import solve_triangular

        cross = self._kernel(codes, self.codes)
        half = solve_triangular(self.factor, cross.T, lower=True, check_finite=False)
        return self.mean + cross @ self.weights, self.stretch**2 * (self._kernel(codes, codes) - half.T @ half)

    def _kernel(self, left: Codes, right: Codes) -> Floats:
        amplitudes, lengths, (pairs, rest, _) = _split(self.theta)
        total = np.zeros((len(left), len(right)))
        squares, product = np.zeros_like(total), np.ones_like(total)
        for index, (table, amplitude, length) in enumerate(zip(self.tables, amplitudes, lengths, strict=True)):
            by_value = _matern(table / length)[
                :, right[:, index]
            ]  # rows are copied, which is quicker than single cells
            product *= by_value[left[:, index]]
            by_value *= amplitude**2
            total += by_value[left[:, index]]
            by_value *= by_value
            squares += by_value[left[:, index]]
        found: Floats = CONSTANT + total + pairs**2 * (total * total - squares) / 2.0 + rest**2 * product
        return found

    def _prior_variance(self) -> float:
        amplitudes, _, (pairs, rest, _) = _split(self.theta)
        squares = amplitudes**2
        both = (squares.sum() ** 2 - (squares**2).sum()) / 2.0
        return float(CONSTANT + squares.sum() + pairs**2 * both + rest**2)


def fit(
    tables: Sequence[Floats], codes: Codes, values: Floats, variances: Floats, before: Floats | None = None,
    *, learn: bool = True,
) -> Surrogate:  # fmt: skip
    """The surrogate of `values` (n,) at `codes`, whose own noise has `variances` (n,).

    `before`: log hyperparameters to begin with; they stay as they are where nothing is to be learnt.
    """
    from scipy.optimize import minimize

    distances = np.array([
        table[codes[:, index][:, np.newaxis], codes[:, index]] for index, table in enumerate(tables)
    ])  # fmt: skip
    mean, spread = prior_of(len(tables))
    theta = mean if before is None else before
    centre = float(np.median(values))
    if learn:
        density = _Density(distances, values - centre, variances)
        bounds = list(zip(mean - _BOUND * spread, mean + _BOUND * spread, strict=True))
        most = ITERATIONS if before is None else AGAIN
        found = minimize(density, theta, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": most})
        theta = np.asarray(found.x, dtype=np.float64)
    factor, weights = _Density(distances, values - centre, variances).solved(theta)
    return Surrogate(tables, codes, centre, theta, factor, weights, _surprise(factor, weights))


def _surprise(factor: Floats, weights: Floats) -> float:
    """Root mean square of what each observation is off from what the others predict, in deviations; at least 1.

    Leave-one-out predictions: Rasmussen and Williams, section 5.4.2.
    """
    from scipy.linalg import cho_solve

    precision = np.diag(cho_solve((factor, True), np.eye(len(weights)), check_finite=False))
    return max(1.0, float(np.sqrt(np.mean(weights**2 / precision))))


@dataclass(frozen=True)
class _Density:
    """The negative log posterior density of the log hyperparameters, and its gradient."""

    distances: Floats  # (dimensions, n, n)
    values: Floats
    variances: Floats

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        from scipy.linalg import cho_solve

        amplitudes, lengths, (pairs, rest, noise) = _split(theta)
        scaled = _ROOT5 * self.distances / lengths[:, np.newaxis, np.newaxis]
        decay = np.exp(-scaled)
        matern = (1.0 + scaled + scaled * scaled / 3.0) * decay
        slope = scaled * scaled / 3.0 * (1.0 + scaled) * decay  # by the log of the length
        squared = (amplitudes**2)[:, np.newaxis, np.newaxis]
        terms = squared * matern
        total, product = terms.sum(axis=0), matern.prod(axis=0)
        both = (total * total - (terms * terms).sum(axis=0)) / 2.0
        covariance = CONSTANT + total + pairs**2 * both + rest**2 * product
        factor, weights = _solve(covariance, self.values, self.variances + noise**2)
        pull = np.outer(weights, weights) - cho_solve((factor, True), np.eye(len(weights)), check_finite=False)
        inside = 1.0 + pairs**2 * (total - terms)
        gradient = np.concatenate([
            (pull * terms * inside).sum(axis=(1, 2)),
            0.5 * (pull * slope * (squared * inside + rest**2 * product / matern)).sum(axis=(1, 2)),
            [pairs**2 * float((pull * both).sum()), rest**2 * float((pull * product).sum()),
             noise**2 * float(np.trace(pull))],
        ])  # fmt: skip
        likelihood = -0.5 * float(self.values @ weights) - float(np.log(np.diag(factor)).sum())
        mean, spread = prior_of(len(lengths))
        off = (theta - mean) / spread
        return 0.5 * float(off @ off) - likelihood, off / spread - gradient

    def solved(self, theta: Floats) -> tuple[Floats, Floats]:
        """Cholesky factor and weights at `theta`."""
        amplitudes, lengths, (pairs, rest, noise) = _split(theta)
        matern = _matern(self.distances / lengths[:, np.newaxis, np.newaxis])
        terms = (amplitudes**2)[:, np.newaxis, np.newaxis] * matern
        total = terms.sum(axis=0)
        both = (total * total - (terms * terms).sum(axis=0)) / 2.0
        covariance = CONSTANT + total + pairs**2 * both + rest**2 * matern.prod(axis=0)
        return _solve(covariance, self.values, self.variances + noise**2)


def _solve(covariance: Floats, values: Floats, variances: Floats) -> tuple[Floats, Floats]:
    from scipy.linalg import cho_solve, cholesky

    factor = cholesky(covariance + np.diag(variances + 1e-8), lower=True, check_finite=False)
    return factor, cho_solve((factor, True), values, check_finite=False)


def _split(theta: Floats) -> tuple[Floats, Floats, Floats]:
    """Amplitudes and lengths of the dimensions; the scales of pairs, rest and noise."""
    natural = np.exp(theta)
    dimensions = (len(theta) - 3) // 2
    return natural[:dimensions], natural[dimensions:-3], natural[-3:]


def _matern(distance: Floats) -> Floats:
    scaled = _ROOT5 * distance
    found: Floats = (1.0 + scaled + scaled * scaled / 3.0) * np.exp(-scaled)
    return found
