"""Latency distributions: quantiles with intervals. A request still open counts as at least its age."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS
from harness.judge.metrics import Latency, Quantile
from harness.judge.stats.durations import ceiling_together, ordered_together
from harness.judge.stats.percentile_intervals import Percentile, percentiles
from harness.judge.stats.quantiles import quantile
from harness.judge.stats.trial_noise import PRIOR_NOISE, TrialNoise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judge.stats.durations import Durations

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
OPEN_TOLERANCE = 0.01  # open requests matter to a percentile when they could raise it by more than this share
NOTHING = Latency(count=0, mean_ms=None, max_ms=None, quantiles=())


def pooled_latency(trials: Sequence[Durations], noise: TrialNoise = PRIOR_NOISE) -> Latency:
    """The distribution over all rows of the repeats, whose trials differ by `noise`."""
    trials = [trial for trial in trials if trial.values_ns.size]
    if not trials:
        return NOTHING
    values_ns = np.concatenate([trial.values_ns for trial in trials])
    reached = _reached_by_open(trials)
    return Latency(
        count=int(values_ns.size),
        mean_ms=float(values_ns.mean()) / NS_PER_MS,
        max_ms=float(values_ns.max()) / NS_PER_MS,
        quantiles=tuple(_quantile(each, each.p in reached) for each in percentiles(trials, PERCENTILES, noise)),
    )


def _reached_by_open(trials: Sequence[Durations]) -> frozenset[float]:
    """The quantiles that would be higher if the requests that are still open never ended."""
    if not any(trial.any_open for trial in trials):
        return frozenset()
    as_they_are = [1.0] * len(trials)
    ordered_ns, ceiling_ns = ordered_together(trials, as_they_are), ceiling_together(trials, as_they_are)
    return frozenset(p for p in PERCENTILES if quantile(ceiling_ns, p) > quantile(ordered_ns, p) * (1 + OPEN_TOLERANCE))


def _quantile(found: Percentile, at_least: bool) -> Quantile:
    return Quantile(
        p=found.p,
        value_ms=found.value / NS_PER_MS,
        low_ms=found.low / NS_PER_MS or None,
        high_ms=None if found.high is None else found.high / NS_PER_MS,
        effective_samples=found.effective_samples,
        needed=found.needed,
        at_least=at_least,
    )
