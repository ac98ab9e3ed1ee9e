"""Throughput and goodput with their intervals, over one trial or several."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.numbers.noise_by_kind import THROUGHPUT
from harness.judge.stats.percentile_intervals import share_within
from harness.judge.stats.trial_noise import pooled_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.interval import Interval
    from harness.judge.numbers.noise_by_kind import NoiseByKind
    from harness.judge.stats.durations import Durations

    Rates = NDArray[np.float64]  # requests per second in equal stretches of a trial's window

NO_RATES: Rates = np.empty(0)


def pooled_goodput(
    good: Sequence[Rates], limit_ns: int | None, durations: Sequence[Durations], noises: NoiseByKind
) -> Interval | None:
    """The mean rate over trials of what keeps the objective, of which `limit_ns` is the limit of response times.

    Where the typical trial is slower or faster than these, not only the rate differs: another share of the responses
    keeps the limit. None where that of a trial is not known (NO_RATES).
    """
    if not all(rates.size for rates in good):
        return None
    noise, slowness = noises.of(THROUGHPUT), noises.of("response")
    if limit_ns is None:
        return pooled_rate(good, noise)
    shift = math.exp(slowness.half_width(max(1, len(durations))))
    at, slower, faster = share_within(durations, (limit_ns, limit_ns / shift, limit_ns * shift), slowness)
    if not at:
        return pooled_rate(good, noise)
    return pooled_rate(good, noise, share_if_slower=slower / at, share_if_faster=faster / at)


def disjoint(intervals: Sequence[Interval]) -> bool:
    """Whether some two of the intervals have no value in common."""
    ends = [each.ends for each in intervals if np.isfinite(each.width)]
    return len(ends) > 1 and max(low for low, _ in ends) > min(high for _, high in ends)
