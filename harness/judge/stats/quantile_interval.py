"""Confidence intervals of percentiles that hold for autocorrelated samples, or the refusal to give one.

Response times of a queue are not independent: a request that waits long has neighbours that wait long. The
usual order-statistics interval then covers the truth in 5 to 50 % of the cases instead of 95 %. Here the
number of requests n is replaced by the number of independent samples they are worth, n / tau, where tau is the
autocorrelation time of the indicator "longer than the percentile" in arrival order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.interval import Interval
from harness.judge.stats.autocorrelation import autocorrelation_time, batch_means_time
from harness.judge.stats.quantiles import quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

T_95 = 2.093024054408263  # Student's t of 19 degrees of freedom: tau is an estimate, from 20 batches or as good as that
_TAIL = 0.025


def required_effective_samples(p: float) -> float:
    """The fewest independent samples that give the `p`-quantile a finite 95 % interval on both sides.

    Both the exact condition (a two-sided order-statistics interval exists: ln 0.025 / ln p) and that of the
    formula in use (p + t sqrt(p (1 - p) / n) stays below 1, or its mirror above 0) must
    hold: 40 for p90, 84 for p95, 434 for p99.
    """
    rarer = max(p, 1.0 - p)
    return max(math.log(_TAIL) / math.log(rarer), T_95**2 * rarer / (1.0 - rarer))


def effective_sample_sizes(
    values: NDArray[np.int64 | np.float64], ordered: NDArray[np.int64 | np.float64], ps: Sequence[float]
) -> list[float]:
    """Independent samples that `values` (in arrival order) are worth, for each quantile in ascending `ps`.

    `ordered` holds the same values ascending. tau is the greatest of three: Geyer's at the quantile itself, Geyer's at
    the next lower quantile of `ps` (the rarer the exceedances, the more often too short a tau is found by chance), and
    that of 20 batch means.
    """
    sizes = []
    geyer_below = 1.0
    for p in ps:
        exceeds = (values > quantile(ordered, p)).astype(np.float32)
        geyer = autocorrelation_time(exceeds)
        sizes.append(values.size / max(geyer, geyer_below, batch_means_time(exceeds)))
        geyer_below = geyer
    return sizes


def quantile_interval(ordered: NDArray[np.generic], p: float, effective_samples: float) -> Interval:
    """The `p`-quantile of `ordered` (ascending, not empty), which is worth `effective_samples` independent ones.

    Too few samples: `high` is None, and the value is not fit to be published; `low` is still a lower bound.
    """
    half = T_95 * math.sqrt(p * (1.0 - p) / effective_samples)
    low = quantile(ordered, p - half) if p > half else None
    enough = effective_samples >= required_effective_samples(p)
    return Interval(quantile(ordered, p), low, quantile(ordered, min(1.0, p + half)) if enough else None)


def samples_needed(count: int, p: float, effective_samples: float) -> int | None:
    """How many more samples like these `count` would give the `p`-quantile an interval; None where it has one."""
    required = required_effective_samples(p)
    if effective_samples >= required:
        return None
    return max(1, math.ceil(count * (required / effective_samples - 1.0)))
