"""The probability of each point of a budgeted sweep to be the best, from the trials so far."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.stats.speeds.point_speeds import Floats

WITHIN_2, WITHIN_5 = 0.02, 0.05  # shares below the best at which a point counts as being the best
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
    """

    draws: Floats

    def of_being_best(self) -> Floats:
        """For each point the probability that it is the best, (points,); all 0 where no point is left."""
        counts = np.zeros(self.draws.shape[1])
        possible = np.isfinite(self.draws).any(axis=1)
        np.add.at(counts, self.draws[possible].argmax(axis=1), 1.0)
        return counts / len(self.draws)

    def certainty(self, point: int, tolerance: float) -> float:
        """The probability that `point` reaches at least 1 - `tolerance` of the best."""
        reached = self.draws[:, point] >= self.draws.max(axis=1) + np.log1p(-tolerance)
        return float((reached & np.isfinite(self.draws[:, point])).mean())

    def gain(self, point: int, other: int) -> Floats:
        """The log ratio of `other` to `point`, over the draws in which both can be the best."""
        ratio = self.draws[:, other] - self.draws[:, point]
        return ratio[np.isfinite(ratio)]


def chances(draws: Floats, limits: Sequence[Limit], out: NDArray[np.bool_], seed: int) -> Chances:
    """The chances of every point by `draws` of their levels; `out` (points,) marks those that cannot be run."""
    undecided = np.array([limit is Limit.NOT_YET for limit in limits])
    missed = np.array([limit is Limit.MISSED for limit in limits])
    fails = undecided & (np.random.default_rng(seed + 1).random(draws.shape) >= UNDECIDED_KEEPS)
    return Chances(np.where(missed | out | fails, -np.inf, draws))
