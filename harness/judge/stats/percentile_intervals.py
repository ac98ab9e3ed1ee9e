"""Percentiles over all repeats of a point, each with an interval or with a lower bound.

The value is the quantile p of the rows of all repeats together; repeats are never averaged. The interval is that of
the typical repeat, and is made in four steps:

1. The rows of each repeat are divided by its factor: as much of its distance from the others as the run noise explains.
   Run noise is how much repeats differ beyond their own intervals, over all points of a sweep (`run_noise.py`).
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
from harness.judge.stats.run_noise import PRIOR_NOISE, RunNoise, widened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.stats.dependence import Clustering
    from harness.judge.stats.durations import Durations

_UPPER = 0.975
TAIL = 0.9  # from this percentile on, slow repeats make the value of all rows too high: step 4


@dataclass(frozen=True, slots=True)
class Percentile:
    """The `p`-quantile: what was observed, and between which bounds the typical run's lies with 95 % confidence.

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


def percentiles(runs: Sequence[Durations], ps: Sequence[float], noise: RunNoise = PRIOR_NOISE) -> list[Percentile]:
    """The quantiles `ps` (ascending) of all runs together; none where no run has a row.

    Bounds are made monotone: a bound from below holds for every greater p, one from above for every smaller p.
    """
    runs = [run for run in runs if run.values_ns.size]
    if not runs:
        return []
    factors = run_factors(runs, noise)
    together = _Together.of(runs, factors)
    found = [_percentile(together, p, noise) for p in ps]
    return _monotone(found)


def share_within(runs: Sequence[Durations], limits: Sequence[float], noise: RunNoise) -> list[float]:
    """The shares of rows that take no longer than each of `limits`, in runs brought to the level of the typical run."""
    runs = [run for run in runs if run.values_ns.size]
    if not runs:
        return [0.0 for _ in limits]
    ordered = ordered_together(runs, run_factors(runs, noise))
    return [float(np.searchsorted(ordered, limit, "right")) / ordered.size for limit in limits]


def run_factors(runs: Sequence[Durations], noise: RunNoise) -> list[float]:
    """By what factor each of the non-empty runs is slower than the typical run; by 1 where there is only one."""
    factors: list[float] = noise.run_factors([run.level for run in runs if run.level]).tolist()
    return factors


@dataclass(frozen=True)
class _Together:
    """Rows of all runs, ascending: as observed, at the common level, and so with open requests at infinity."""

    runs: Sequence[Durations]
    factors: Sequence[float]
    observed: NDArray[np.int64 | np.int32 | np.float64]
    common: NDArray[np.int64 | np.int32 | np.float64]
    ceiling: NDArray[np.int64 | np.int32 | np.float64]

    @classmethod
    def of(cls, runs: Sequence[Durations], factors: Sequence[float]) -> _Together:
        observed = ordered_together(runs, [1.0] * len(runs))
        common = ordered_together(runs, factors)
        ceiling = ceiling_together(runs, factors) if any(run.any_open for run in runs) else common
        return cls(runs, factors, observed, common, ceiling)

    def above(self, at: float) -> list[Clustering]:
        """How the rows above `at` cluster in each run."""
        return [run.slower_than(at, factor) for run, factor in zip(self.runs, self.factors, strict=True)]


def _percentile(together: _Together, p: float, noise: RunNoise) -> Percentile:
    runs = len(together.runs)
    at = quantile(together.common, p)
    above = together.above(at)
    tau = dependence(above)
    effective = together.common.size / tau
    half_width = noise.half_width(_runs_above([run.seen for run in above], tau))
    longer = noise.tail_excess([run.level for run in together.runs if run.level], _steepness(together.common, at, p))
    value = quantile(together.observed, p)
    reach = _reach(p, effective, runs)
    low = quantile(together.common, p - reach) if p > reach else 0.0
    high = quantile(together.ceiling, p + reach) if p + reach < 1.0 else FOREVER
    low, high = widened(at, low, high, half_width) if at > 0 else (0.0, high)
    low *= math.exp(-longer)
    if high == FOREVER:
        needed = _needed(p, effective, together.common.size, runs)
        return Percentile(p, value, min(low, value), None, effective, needed)
    return Percentile(p, value, min(low, value), max(high, value), effective)


def _steepness(rows: NDArray[np.int64 | np.int32 | np.float64], at: float, p: float) -> float:
    """How fast rows become rarer beyond the p-quantile, by the logarithm (Hill, 1975); 0 where p is not in the tail."""
    if p < TAIL or at <= 0:
        return 0.0
    excess = float(np.log(rows[np.searchsorted(rows, at, "right") :] / at).sum())
    beyond = rows.size - np.searchsorted(rows, at, "right")
    return float(beyond / excess) if excess > 0 else 0.0


def _runs_above(seen: Sequence[int], tau: float) -> float:
    """How many runs a percentile rests on, by how many rows of each lie above it: 1 where all are of one run.

    Where runs do not know their own level well, that is the slowest by chance, and the level of one run is less certain
    than the mean of several. Counts that depend on each other differ by chance by `tau` times what independent ones do.
    """
    total = sum(seen)
    squares = sum(count * count for count in seen) - tau * total
    return total * total / squares if squares * len(seen) > total * total else float(len(seen))


def _reach(p: float, effective_samples: float, runs: int) -> float:
    """Half the width of the interval of the share p, by Student's t, since the dependence is estimated.

    It is estimated from 20 stretches a run, or from as many clusters of the rarer side as there were, if fewer.
    """
    clusters = effective_samples * min(p, 1.0 - p)
    freedom = max(1.0, min((STRETCHES - 1) * runs, clusters))
    return student_t_quantile(_UPPER, freedom) * math.sqrt(p * (1.0 - p) / effective_samples)


def _needed(p: float, effective_samples: float, rows: int, runs: int) -> int | None:
    """How many more rows of the same worth bring p + reach below 1; None where it is: requests are still open."""
    worth = effective_samples
    while p + _reach(p, worth, runs) >= 1.0:
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
