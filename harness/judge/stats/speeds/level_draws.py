"""Random levels of all points of a sweep, as likely as its trials make them.

The model is that of `point_speeds.py`, but nothing is put in as if it were known: how the levels spread, how much runs
differ and how much the machine drifts are drawn too, one after the other, each given the others (Gibbs sampling;
Gelfand and Smith, 1990). Levels lie anywhere between a lowest and a highest one, which are unknown as well. A normal
spread has no highest: of sixteen well measured points it overrates the chance of a rival just ahead of the best. A run
noise that is put in as one number gives too much certainty to the point that was lucky.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.stats.speeds.point_speeds import (
    PRIOR_DRIFT,
    PRIOR_DRIFT_DF,
    PRIOR_NOISE,
    PRIOR_SPREAD,
    design_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judge.stats.speeds.point_speeds import Floats, Look

NOISE_DF = 0.1  # of the expectation PRIOR_NOISE: hardly any, or a noisier machine would get false certainty
WIDTH, WIDTH_SPREAD = 0.25, 0.8  # of the lowest to the highest level: median, and deviation of its logarithm
WIDER = np.geomspace(1e-4, 10.0, 60)  # how far the ends may lie beyond the levels, together
CHAINS, BURN_IN, KEPT = 100, 30, 10  # independent chains, and passes of each
ANYWHERE = 10.0  # deviation of a point without a trial: that of anywhere between the ends
HARM = 0.7  # deviation of the log of what disturbances cost a trial: a factor of 4 is two of them


def level_draws(looks: Sequence[Look], points: int, seed: int, floors: Mapping[int, float] | None = None) -> Floats:
    """Random levels, (draws, points), of points 0 to `points` - 1 from at least one trial; logs, as those of trials.

    floors: of points without a trial in `looks`, what disturbed trials reached all the same.
    """
    chains = _Chains.of(looks, points, np.random.default_rng(seed), floors or {})
    for _ in range(BURN_IN):
        chains.step()
    found: Floats = np.concatenate([chains.step() for _ in range(KEPT)]) + chains.centre
    return found


@dataclass
class _Chains:
    """The chains' states: `levels` (chains, points), `blocks` (chains, blocks) and `values` (chains, looks).

    values: of the runs, which the trials show with a standard error. floors: (points,), minus infinity where there is
    none; `beyond` is the deviation of what lies above them, of a point without a floor that of anywhere.
    """

    rng: np.random.Generator
    at_point: Floats  # (looks, points), 1 where a look is of the point
    at_block: Floats
    seen: Floats  # (looks,), less `centre`
    errors_sq: Floats  # (looks,)
    centre: float
    floors: Floats
    beyond: Floats  # (points,)
    levels: Floats
    blocks: Floats
    values: Floats

    @classmethod
    def of(cls, looks: Sequence[Look], points: int, rng: np.random.Generator, floors: Mapping[int, float]) -> _Chains:
        """Chains that begin where a normal spread and the expected noise would have them."""
        design, values, errors_sq = design_of(looks, points)
        centre = float(values.mean())
        prior = np.repeat([PRIOR_SPREAD**-2, PRIOR_DRIFT**-2], [points, design.shape[1] - points])
        weights = 1.0 / (PRIOR_NOISE**2 + errors_sq)
        covariance = np.linalg.inv((design.T * weights) @ design + np.diag(prior))
        middle = covariance @ (design.T @ (weights * (values - centre)))
        normal = rng.standard_normal((CHAINS, len(middle)))
        start = middle + normal @ np.linalg.cholesky(covariance).T
        least = np.array([floors.get(number, -np.inf) for number in range(points)]) - centre
        return cls(
            rng,
            design[:, :points],
            design[:, points:],
            values - centre,
            errors_sq,
            centre,
            least,
            np.where(np.isfinite(least), HARM, ANYWHERE),
            np.maximum(start[:, :points], least),
            start[:, points:],
            np.tile(values - centre, (CHAINS, 1)),
        )

    def step(self) -> Floats:
        """One pass over everything that is unknown; the levels after it."""
        expected = self.levels @ self.at_point.T + self.blocks @ self.at_block.T
        noise_sq = self._variance(self.values - expected, PRIOR_NOISE, NOISE_DF)
        drift_sq = self._variance(self.blocks, PRIOR_DRIFT, PRIOR_DRIFT_DF)
        shown = noise_sq / (noise_sq + self.errors_sq)
        self.values = expected + shown * (self.seen - expected) + self._normal(shown * self.errors_sq)
        self.levels = self._new_levels(noise_sq)
        self.blocks = self._new_blocks(noise_sq, drift_sq)
        return self.levels

    def _variance(self, deviations: Floats, prior: float, df: float) -> Floats:
        """A variance for each chain, (chains, 1), by `deviations` and by what is expected."""
        squares = df * prior**2 + (deviations**2).sum(axis=1, keepdims=True)
        found: Floats = squares / self.rng.chisquare(df + deviations.shape[1], size=squares.shape)
        return found

    def _new_levels(self, noise_sq: Floats) -> Floats:
        """Normal by the trials of each point, cut off at the ends."""
        low, high = self._ends()
        low = np.maximum(low, self.floors)
        trials = self.at_point.sum(axis=0)
        mean = (self.values - self.blocks @ self.at_block.T) @ self.at_point / np.maximum(trials, 1.0)
        mean = np.where(np.isfinite(self.floors), self.floors, mean)
        deviation = np.where(trials > 0.0, np.sqrt(noise_sq / np.maximum(trials, 1.0)), self.beyond)
        drawn = mean + deviation * _cut_normal(self.rng, (low - mean) / deviation, (high - mean) / deviation)
        levels: Floats = np.clip(drawn, low, high)
        return levels

    def _ends(self) -> tuple[Floats, Floats]:
        """The lowest and the highest level there may be, (chains, 1) each: they lie around those of the points."""
        least, most = self.levels.min(axis=1), self.levels.max(axis=1)
        width = (most - least)[:, np.newaxis] + WIDER
        log_width = np.log(width)
        chance = -(((log_width - np.log(WIDTH)) / WIDTH_SPREAD) ** 2) / 2.0  # and 1 / width, of a log-normal
        chance += 2.0 * np.log(WIDER) - (self.levels.shape[1] + 1) * log_width
        cumulative = np.cumsum(np.exp(chance - chance.max(axis=1, keepdims=True)), axis=1)
        place = (cumulative < self.rng.random((len(width), 1)) * cumulative[:, -1:]).sum(axis=1)
        low = least - WIDER[place] * self.rng.random(len(width))
        return low[:, np.newaxis], (low + width[np.arange(len(width)), place])[:, np.newaxis]

    def _new_blocks(self, noise_sq: Floats, drift_sq: Floats) -> Floats:
        precision = self.at_block.sum(axis=0) / noise_sq + 1.0 / drift_sq
        mean = (self.values - self.levels @ self.at_point.T) @ self.at_block / noise_sq / precision
        blocks: Floats = mean + self._normal(1.0 / precision)
        return blocks

    def _normal(self, variance: Floats) -> Floats:
        found: Floats = np.sqrt(variance) * self.rng.standard_normal(variance.shape)
        return found


def _cut_normal(rng: np.random.Generator, low: Floats, high: Floats) -> Floats:
    """Standard normal numbers between `low` and `high`, by the inverse of the distribution, in its lower tail."""
    from scipy.special import ndtr, ndtri

    turned = low > 0.0
    low, high = np.where(turned, -high, low), np.where(turned, -low, high)
    below = ndtr(low)
    share = below + (ndtr(high) - below) * rng.random(low.shape)
    drawn = ndtri(np.clip(share, 1e-300, 1.0 - 1e-16))
    found: Floats = np.where(turned, -drawn, drawn)
    return found
