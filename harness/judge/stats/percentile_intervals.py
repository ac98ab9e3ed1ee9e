"""Percentiles over all repeats of a point, each with an interval or with a lower bound.

The value is the quantile p of the rows of all repeats together; repeats are never averaged. The interval is that of
the typical repeat, and is made in four steps:

1. The rows of each repeat are divided by its factor: as much of its distance from the others as trial noise explains.
   Trial noise is how much repeats differ beyond their own intervals, over all points of a sweep (`trial_noise.py`).
2. The ends are the quantiles p - h and p + h of these rows, h = t * sqrt(p * (1 - p) / n). t is Student's for 97.5 %, n
   the number of rows divided by their dependence tau: how many times as much the share of slow rows varies as it would
   for independent rows, by their autocorrelation or by the scatter over 20 stretches, whichever is greater
   (`dependence.py`).
3. The uncertainty of the factors widens the interval: relative half-widths are added in quadrature.
4. The lower bounds of p90 and above are lowered by as much as slow repeats make the tail of all rows longer.

A request that is still open counts as at least its age (`harness/judge/numbers/latency.py`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.stats.dependence import STRETCHES, dependence
from harness.judge.stats.distributions import student_t_quantile
from harness.judge.stats.durations import FOREVER, ceiling_together, ordered_together
from harness.judge.stats.quantiles import quantile
from harness.judge.stats.trial_noise import PRIOR_NOISE, TrialNoise, widened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.stats.dependence import Clustering
    from harness.judge.stats.durations import Durations

_UPPER = 0.975
TAIL = 0.9  # from this percentile on, slow repeats make the value of all rows too high: step 4


@dataclass(frozen=True, slots=True)
class Percentile:
    """The `p`-quantile: what was observed, and between which bounds the typical trial's lies with 95 % confidence.

    `high` is None where there is no upper bound: the percentile is then at least `low`, which holds with 97.5 %
    confidence. Where the sample is too small for one, `needed` more requests of this kind would do; otherwise requests
    that are still open reach into it. `effective_samples` is how many independent requests the sample is worth.
    """

    p: float
    value: float
    low: float
    high: float | None
    effective_samples: float
    needed: int | None = None


def percentiles(trials: Sequence[Durations], ps: Sequence[float], noise: TrialNoise = PRIOR_NOISE) -> list[Percentile]:
    """The quantiles `ps` (ascending) of all trials together; none where no trial has a row.

    Bounds are made monotone: a bound from below holds for every greater p, one from above for every smaller p.
    """
    trials = [trial for trial in trials if trial.values_ns.size]
    if not trials:
        return []
    factors = trial_factors(trials, noise)
    together = _Together.of(trials, factors)
    found = [_percentile(together, p, noise) for p in ps]
    return _monotone(found)


def share_within(trials: Sequence[Durations], limits: Sequence[float], noise: TrialNoise) -> list[float]:
    """The shares of rows that take no longer than each of `limits`, with each trial brought to the typical one."""
    trials = [trial for trial in trials if trial.values_ns.size]
    if not trials:
        return [0.0 for _ in limits]
    ordered = ordered_together(trials, trial_factors(trials, noise))
    return [float(np.searchsorted(ordered, limit, "right")) / ordered.size for limit in limits]


def trial_factors(trials: Sequence[Durations], noise: TrialNoise) -> list[float]:
    """By what factor each of the non-empty trials is slower than the typical trial; by 1 where there is only one."""
    factors: list[float] = noise.trial_factors([trial.log_mean for trial in trials if trial.log_mean]).tolist()
    return factors


@dataclass(frozen=True)
class _Together:
    """Rows of all trials, ascending: as observed, brought to the typical trial, and then with open ones at infinity."""

    trials: Sequence[Durations]
    factors: Sequence[float]
    observed: NDArray[np.int64 | np.int32 | np.float64]
    common: NDArray[np.int64 | np.int32 | np.float64]
    ceiling: NDArray[np.int64 | np.int32 | np.float64]

    @classmethod
    def of(cls, trials: Sequence[Durations], factors: Sequence[float]) -> _Together:
        observed = ordered_together(trials, [1.0] * len(trials))
        common = ordered_together(trials, factors)
        ceiling = ceiling_together(trials, factors) if any(trial.any_open for trial in trials) else common
        return cls(trials, factors, observed, common, ceiling)

    def above(self, at: float) -> list[Clustering]:
        """How the rows above `at` cluster in each trial."""
        return [trial.slower_than(at, factor) for trial, factor in zip(self.trials, self.factors, strict=True)]


def _percentile(together: _Together, p: float, noise: TrialNoise) -> Percentile:
    trials = len(together.trials)
    at = quantile(together.common, p)
    above = together.above(at)
    tau = dependence(above)
    effective = together.common.size / tau
    half_width = noise.half_width(_trials_above([trial.seen for trial in above], tau))
    longer = noise.tail_excess(
        [trial.log_mean for trial in together.trials if trial.log_mean], _steepness(together.common, at, p)
    )
    value = quantile(together.observed, p)
    reach = _reach(p, effective, trials)
    low = quantile(together.common, p - reach) if p > reach else 0.0
    high = quantile(together.ceiling, p + reach) if p + reach < 1.0 else FOREVER
    low, high = widened(at, low, high, half_width) if at > 0 else (0.0, high)
    low *= math.exp(-longer)
    if high == FOREVER:
        needed = _needed(p, effective, together.common.size, trials)
        return Percentile(p, value, min(low, value), None, effective, needed)
    return Percentile(p, value, min(low, value), max(high, value), effective)


def _steepness(rows: NDArray[np.int64 | np.int32 | np.float64], at: float, p: float) -> float:
    """How fast rows become rarer beyond the p-quantile, by the logarithm (Hill, 1975); 0 where p is not in the tail."""
    if p < TAIL or at <= 0:
        return 0.0
    excess = float(np.log(rows[np.searchsorted(rows, at, "right") :] / at).sum())
    beyond = rows.size - np.searchsorted(rows, at, "right")
    return float(beyond / excess) if excess > 0 else 0.0


def _trials_above(seen: Sequence[int], tau: float) -> float:
    """How many trials a percentile rests on, by how many rows of each lie above it: 1 where all are of one trial.

    Where trials do not know their own mean well, that is the slowest by chance, and the mean of one is less certain
    than that of several. Counts that depend on each other differ by chance by `tau` times what independent ones do.
    """
    total = sum(seen)
    squares = sum(count * count for count in seen) - tau * total
    return total * total / squares if squares * len(seen) > total * total else float(len(seen))


def _reach(p: float, effective_samples: float, trials: int) -> float:
    """Half the width of the interval of the share p, by Student's t, since the dependence is estimated.

    It is estimated from 20 stretches a trial, or from as many clusters of the rarer side as there were, if fewer.
    """
    clusters = effective_samples * min(p, 1.0 - p)
    freedom = max(1.0, min((STRETCHES - 1) * trials, clusters))
    return student_t_quantile(_UPPER, freedom) * math.sqrt(p * (1.0 - p) / effective_samples)


def _needed(p: float, effective_samples: float, rows: int, trials: int) -> int | None:
    """How many more rows of the same worth bring p + reach below 1; None where it is: requests are still open."""
    worth = effective_samples
    while p + _reach(p, worth, trials) >= 1.0:
        worth *= 1.02
    return math.ceil(rows * (worth / effective_samples - 1.0)) or None


def _monotone(found: list[Percentile]) -> list[Percentile]:
    lows = np.maximum.accumulate([each.low for each in found])
    highs = np.minimum.accumulate([FOREVER if each.high is None else each.high for each in reversed(found)])[::-1]
    bounded = [
        replace(each, low=float(low), high=None if high == FOREVER else float(high))
        for each, low, high in zip(found, lows, highs, strict=True)
    ]
    return [each if each.high is None else replace(each, needed=None) for each in bounded]
