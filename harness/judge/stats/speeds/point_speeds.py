"""How fast each point of a sweep is by its trials: levels on a log scale with their joint uncertainty.

The model is additive, as in a randomised block design (Fisher, 1935; Searle, Casella and McCulloch, *Variance
Components*, 2006): log value = level of the point + level of the machine in that block + run noise. The run noise is
one for all points, so that a point with two trials borrows the degrees of freedom of all others. `estimate` finds what
is most likely; how likely everything else is, `level_draws.py` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PRIOR_NOISE = 0.05  # run-to-run deviation that is expected before anything is measured, and
PRIOR_NOISE_DF = 2.0  # how many degrees of freedom that expectation is worth
PRIOR_SPREAD = 0.1  # likewise for the deviation between points
PRIOR_SPREAD_DF = 6.0
BLOCK_SPREAD = 0.3  # so wide that a block says nothing of another: points are compared within blocks only
PRIOR_DRIFT = 0.03  # deviation of the machine's level between blocks
PRIOR_DRIFT_DF = 2.0
SMALLEST_NOISE = 0.003
PASSES = 6  # of the iteration that finds the run noise; it settles to 1 % within four


@dataclass(frozen=True, slots=True)
class Look:
    """One usable trial of a point: the log of its value, with the standard error that the trial itself shows."""

    point: int
    block: int
    log_value: float
    standard_error: float = 0.0


@dataclass(frozen=True, slots=True)
class PointSpeeds:
    """What is known of every point: mean and covariance of the log levels, (points,) and (points, points).

    noise: deviation from run to run. drift: deviation of the machine's level from block to block. Uncertainty is that
    of a Student's t with `df` degrees of freedom. A point without a trial has the mean of all and their spread.
    """

    mean: Floats
    covariance: Floats
    df: float
    noise: float
    drift: float
    drift_df: float


def estimate(looks: Sequence[Look], points: int, hints: Sequence[Look] = ()) -> PointSpeeds:
    """The levels of points 0 to `points` - 1 from their trials: `looks`, or at least one of `hints`.

    `hints` are trials with so great a standard error that they say nothing of the run noise.
    """
    noise_sq, df = _noise_squared(*design_of(looks, points)) if looks else (PRIOR_NOISE**2, PRIOR_NOISE_DF)
    design, values, own_variance = design_of([*looks, *hints], points)
    at = design[:, :points].argmax(axis=1)
    weights = 1.0 / (noise_sq + own_variance)
    centre = float(values.mean())
    prior = _prior_precision(points, design.shape[1] - points, _spread_squared(at, values, weights))
    covariance = np.linalg.inv((design.T * weights) @ design + prior)
    solution = covariance @ (design.T @ (weights * (values - centre)))
    drift, drift_df = _drift(solution[points:], covariance[points:, points:])
    return PointSpeeds(
        mean=solution[:points] + centre,
        covariance=covariance[:points, :points].astype(np.float64),
        df=df,
        noise=float(np.sqrt(noise_sq)),
        drift=drift,
        drift_df=drift_df,
    )


def design_of(looks: Sequence[Look], points: int) -> tuple[Floats, Floats, Floats]:
    """Design (looks, points + blocks), values and variances of the looks."""
    blocks, block_of = np.unique([look.block for look in looks], return_inverse=True)
    design = np.zeros((len(looks), points + len(blocks)))
    design[np.arange(len(looks)), [look.point for look in looks]] = 1.0
    design[np.arange(len(looks)), points + block_of] = 1.0
    values = np.array([look.log_value for look in looks])
    return design, values, np.array([look.standard_error for look in looks]) ** 2


def _noise_squared(design: Floats, values: Floats, own_variance: Floats) -> tuple[float, float]:
    """Variance from run to run beyond what the trials themselves show, and the degrees of freedom behind it."""
    noise_sq, df = PRIOR_NOISE**2, PRIOR_NOISE_DF
    for _ in range(PASSES):
        root = 1.0 / np.sqrt(noise_sq + own_variance)
        solution, _, rank, _ = np.linalg.lstsq(design * root[:, np.newaxis], values * root, rcond=None)
        residuals = (values - design @ solution) * root
        df = PRIOR_NOISE_DF + len(values) - int(rank)
        scatter = PRIOR_NOISE_DF * PRIOR_NOISE**2 + noise_sq * float(residuals @ residuals)
        noise_sq = max(scatter / df, SMALLEST_NOISE**2)
    return noise_sq, df


def _spread_squared(at: NDArray[np.int64], values: Floats, weights: Floats) -> float:
    """Variance between points, beyond what the noise of their trials explains."""
    measured = np.unique(at)
    means = np.array([np.average(values[at == point], weights=weights[at == point]) for point in measured])
    explained = sum(1.0 / float(weights[at == point].sum()) for point in measured) * (1.0 - 1.0 / len(measured))
    scatter = max(float(((means - means.mean()) ** 2).sum()) - explained, 0.0)
    return (PRIOR_SPREAD_DF * PRIOR_SPREAD**2 + scatter) / (PRIOR_SPREAD_DF + len(measured) - 1)


def _prior_precision(points: int, blocks: int, spread_sq: float) -> Floats:
    """Points scatter around a common mean, of which nothing is assumed; blocks scatter widely around 0."""
    precision = np.zeros((points + blocks, points + blocks))
    precision[:points, :points] = (np.eye(points) - 1.0 / points) / spread_sq
    precision[points:, points:] = np.eye(blocks) / BLOCK_SPREAD**2
    return precision


def _drift(levels: NDArray[np.floating], covariance: NDArray[np.floating]) -> tuple[float, float]:
    """Deviation of the machine's level between blocks, beyond what run noise explains, and its degrees of freedom."""
    blocks = len(levels)
    centred = np.eye(blocks) - 1.0 / blocks
    scatter = float(((levels - levels.mean()) ** 2).sum())
    explained = float(np.trace(centred @ covariance))
    df = PRIOR_DRIFT_DF + blocks - 1
    between = (PRIOR_DRIFT_DF * PRIOR_DRIFT**2 + max(scatter - explained, 0.0)) / df
    return float(np.sqrt(between)), df
