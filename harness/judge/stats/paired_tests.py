"""Tests over pairs of trials that ran one after the other, and how many pairs they need.

The unit is the trial, one number each: requests of one trial share everything that differs between trials, and treating
them as independent calls identical servers different in a third to four fifths of all cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.stats.distributions import student_t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

POWER = 0.9
FEWEST_PAIRS = 3
MOST_PAIRS = 100_000  # nobody runs so many
_UPPER = 0.975


@dataclass(frozen=True, slots=True)
class PairedTest:
    """The mean and the standard deviation (n - 1) of the differences of `pairs` pairs, at least two of them.

    A difference is that of logarithms (or of shares) of the two trials, so that harm is positive.
    """

    mean: float
    deviation: float
    pairs: int

    @classmethod
    def of(cls, differences: Sequence[float]) -> PairedTest:
        """The test of these differences (at least two)."""
        values = np.asarray(differences, dtype=np.float64)
        return cls(float(values.mean()), float(values.std(ddof=1)), values.size)

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return self.deviation / math.sqrt(self.pairs)

    @property
    def reach(self) -> float:
        """Half of the 95 % interval of the mean."""
        return student_t_quantile(_UPPER, self.pairs - 1) * self.error

    def p_above(self, bound: float) -> float:
        """How likely a mean this high is where the truth is `bound` at most (one-sided, Student's t)."""
        from scipy.special import stdtr

        if not self.error:
            return 0.0 if self.mean > bound else 1.0
        return float(stdtr(self.pairs - 1, (bound - self.mean) / self.error))

    def p_below(self, bound: float) -> float:
        """How likely a mean this low is where the truth is `bound` at least."""
        return 1.0 if self.mean == bound and not self.error else 1.0 - self.p_above(bound)


def power_of(effect: float, deviation: float, pairs: int, alpha: float) -> float:
    """How often a one-sided test at `alpha` over so many pairs finds a true difference of `effect`.

    `deviation` is that of a pair's difference. (Noncentral t: Johnson and Welch, Biometrika 31, 1940.)
    """
    from scipy.special import nctdtr

    if pairs < 2:
        return 0.0
    needed = student_t_quantile(1.0 - alpha, pairs - 1)
    shift = effect * math.sqrt(pairs) / max(deviation, 1e-9)
    return 1.0 if shift > needed + 10.0 else 1.0 - float(nctdtr(pairs - 1, shift, needed))


def pairs_to_find(effect: float, deviation: float, alpha: float, power: float = POWER) -> int:
    """The fewest pairs that find a difference of `effect` with that power; at most `MOST_PAIRS`."""
    low, high = FEWEST_PAIRS - 1, FEWEST_PAIRS
    while high < MOST_PAIRS and power_of(effect, deviation, high, alpha) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(effect, deviation, middle, alpha) >= power else (middle, high)
    return min(high, MOST_PAIRS)


def effect_found(pairs: int, deviation: float, alpha: float) -> float:
    """The smallest difference that so many pairs (two or more) find with 90 % power."""
    low, high = 0.0, max(deviation, 1e-9)
    while power_of(high, deviation, pairs, alpha) < POWER:
        low, high = high, 2.0 * high
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (low, middle) if power_of(middle, deviation, pairs, alpha) >= POWER else (middle, high)
    return high


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted so that among all of them at most one in twenty below 0.05 is false (Holm, 1979)."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted
