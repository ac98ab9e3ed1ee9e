"""Throughput with its interval, for one trial and over repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.judge.metrics import Estimate
from harness.judge.stats.mean_intervals import batch_means_interval, replicate_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Rates = NDArray[np.float64]  # requests per second in equal stretches of a trial's window

NO_RATES: Rates = np.empty(0)


def trial_rate(rates_rps: Rates) -> Estimate:
    """The mean over a trial with the interval of its batch means."""
    mean = batch_means_interval(rates_rps)
    return Estimate(value=mean.value, low=mean.low, high=mean.high)


def pooled_rate(runs: Sequence[Rates]) -> Estimate:
    """The mean over repeats.

    The interval is that of all repeats' stretches together. Repeats may differ by more than they do inside, so
    from three on it is never narrower than their own scatter allows. Two repeats cannot show their scatter (a t
    interval of two is 12.7 standard errors wide); where their intervals do not overlap, both are covered.
    """
    if not runs:
        return Estimate(value=0.0)
    pooled = trial_rate(np.concatenate(runs))
    between = replicate_interval([float(run.mean()) for run in runs])
    if between is None and len(runs) == 2:
        between = _hull_of_strangers([trial_rate(run) for run in runs])
    if between is None or pooled.low is None or pooled.high is None:
        return pooled
    if between[1] - between[0] <= pooled.high - pooled.low:
        return pooled
    return Estimate(value=pooled.value, low=min(between[0], pooled.value), high=max(between[1], pooled.value))


def disagree(estimates: Sequence[Estimate]) -> bool:
    """Whether some two of the intervals have no value in common."""
    known = [(each.low, each.high) for each in estimates if each.low is not None and each.high is not None]
    return len(known) > 1 and max(low for low, _ in known) > min(high for _, high in known)


def _hull_of_strangers(estimates: Sequence[Estimate]) -> tuple[float, float] | None:
    if not disagree(estimates):
        return None
    return min(each.low or 0.0 for each in estimates), max(each.high or 0.0 for each in estimates)
