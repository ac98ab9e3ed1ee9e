"""The probability of each point of a budgeted sweep to be the best, from the trials so far."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.stats.point_speeds import Floats, PointSpeeds

DRAWS = 2000
NEARER, NEAR = 0.02, 0.05  # shares below the best at which a point counts as being the best
# Coefficients of a logistic regression of the outcome (the point was that near the best) on the log odds of `within`,
# on the log of how many points compete, on that times the log of how badly they are known apart, and, where several
# compete, on the log of how quiet the machine is.
CALIBRATION = {NEARER: (0.83, 0.34, -0.3, -1.55), NEAR: (0.9, 0.7, -0.5, -2.07)}
USUAL_APART = 0.03
USUAL_NOISE, LEAST_NOISE = 0.05, 0.02  # from run to run: above the one and below the other certainty does not change
RIVALS = 3
LEAST_APART = 0.003
LEAST_CHANCE = 0.002
UNDECIDED_KEEPS = 0.5  # probability that a point keeps the limit, where its trials do not say


class Limit(StrEnum):
    """Whether a point keeps the latency limit, by all its trials so far; KEPT where there is no limit."""

    KEPT = "kept"
    MISSED = "missed"
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True)
class Chances:
    """Random levels of all points, as likely as the trials make them.

    draws: (draws, points), log values; minus infinity where the point cannot be the best in that draw, since it is
    out of the sweep or does not keep the limit.
    if_kept: the same where every undecided point keeps the limit; None where none is undecided.
    noise: deviation of the log level from run to run.
    """

    draws: Floats
    if_kept: Floats | None = None
    noise: float = USUAL_NOISE

    def of_being_best(self) -> Floats:
        """For each point the probability that it is the best, (points,); all 0 where no point is left."""
        return _best_shares(self.draws)

    def within(self, point: int, tolerance: float) -> float:
        """The probability that `point` reaches at least 1 - `tolerance` of the best."""
        reached = self.draws[:, point] >= self.draws.max(axis=1) + np.log1p(-tolerance)
        return float((reached & np.isfinite(self.draws[:, point])).mean())

    def certainty(self, point: int, tolerance: float) -> float:
        """`within`, corrected by what simulations show it to be worth (`tests/benchmarks/selection.py`).

        The draws do not know that levels have an end: where many points compete that are known well, they are too
        cautious. `tolerance` is one of those in CALIBRATION.
        """
        if self.draws.shape[1] == 1:
            return self.within(point, tolerance)
        shares = _best_shares(self.draws if self.if_kept is None else self.if_kept)
        possible = shares[shares > 0.0]
        competing = float(-(possible * np.log(possible)).sum())  # the log of how many compete
        slope, more, apart, quiet = CALIBRATION[tolerance]
        seen = min(max(self.within(point, tolerance), LEAST_CHANCE), 1.0 - LEAST_CHANCE)
        odds = slope * math.log(seen / (1.0 - seen))
        if competing:
            odds += competing * (more + apart * math.log(self._apart(point, shares) / USUAL_APART))
            odds += quiet * math.log(min(max(self.noise, LEAST_NOISE), USUAL_NOISE) / USUAL_NOISE)
        return 1.0 / (1.0 + math.exp(-odds))

    def _apart(self, point: int, shares: Floats) -> float:
        """Standard deviation of the log ratios of `point` to its likeliest rivals, on average."""
        rivals = [other for other in np.argsort(-shares).tolist() if other != point and shares[other]][:RIVALS]
        gains = [gain for other in rivals if (gain := self.gain(point, other)).size]
        widths = [np.subtract(*np.quantile(gain, (0.84, 0.16))) / 2.0 for gain in gains]
        return max(float(np.mean(widths)), LEAST_APART) if widths else USUAL_APART

    def gain(self, point: int, other: int) -> Floats:
        """The log ratio of `other` to `point`, over the draws in which both can be the best."""
        ratio = self.draws[:, other] - self.draws[:, point]
        return ratio[np.isfinite(ratio)]


def chances(levels: PointSpeeds, limits: Sequence[Limit], out: NDArray[np.bool_], seed: int) -> Chances:
    """The chances of every point; `out` (points,) marks those that cannot be run."""
    draws = levels.draws(DRAWS, seed)
    undecided = np.array([limit is Limit.NOT_YET for limit in limits])
    missed = np.array([limit is Limit.MISSED for limit in limits])
    lottery = np.random.default_rng(seed + 1).random(draws.shape) >= UNDECIDED_KEEPS
    draws[np.broadcast_to(missed | out, draws.shape)] = -np.inf
    return Chances(np.where(undecided & lottery, -np.inf, draws), draws, levels.noise)


def _best_shares(draws: Floats) -> Floats:
    """In which share of the draws each point is the best, (points,)."""
    counts = np.zeros(draws.shape[1])
    possible = np.isfinite(draws).any(axis=1)
    np.add.at(counts, draws[possible].argmax(axis=1), 1.0)
    return counts / len(draws)
