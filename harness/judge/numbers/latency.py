"""Latency distributions: quantiles with intervals. A request still open counts as at least its age."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.clock import NS_PER_MS
from harness.judge.metrics import Latency, Quantile
from harness.judge.stats.mean_intervals import replicate_interval
from harness.judge.stats.quantile_interval import effective_sample_sizes, quantile_interval, samples_needed
from harness.judge.stats.quantiles import quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.numbers.trial_rows import Durations

PERCENTILES = (0.5, 0.9, 0.95, 0.99, 0.999)
OPEN_TOLERANCE = 0.01  # open requests matter to a percentile when they could raise it by more than this share
NOTHING = Latency(count=0, mean_ms=None, max_ms=None, quantiles=())
_FOREVER = np.iinfo(np.int64).max


def trial_latency(durations: Durations) -> Latency:
    """The distribution of one trial."""
    if not durations.values_ns.size:
        return NOTHING
    return _latency([durations], effective_sample_sizes(durations.values_ns, durations.ordered_ns, PERCENTILES))


def pooled_latency(runs: Sequence[Durations], latencies: Sequence[Latency]) -> Latency:
    """The distribution over all repeats.

    Quantiles are those of all rows together, which are worth the independent samples of the repeats added up. From
    three repeats on, an interval is never narrower than the repeats' own scatter.
    """
    runs = [run for run in runs if run.values_ns.size]
    if not runs:
        return NOTHING
    sizes = [sum(_effective(latency, p) for latency in latencies) for p in PERCENTILES]
    pooled = _latency(runs, sizes)
    quantiles = tuple(_widened(quantile, latencies) for quantile in pooled.quantiles)
    return msgspec.structs.replace(pooled, quantiles=quantiles)


def _latency(runs: Sequence[Durations], sizes: Sequence[float]) -> Latency:
    values_ns = np.concatenate([run.values_ns for run in runs])
    still_open = np.concatenate([run.still_open for run in runs])
    ordered = runs[0].ordered_ns if len(runs) == 1 else np.sort(values_ns)
    ceiling = np.sort(np.where(still_open, _FOREVER, values_ns)) if still_open.any() else ordered
    return Latency(
        count=int(values_ns.size),
        mean_ms=float(values_ns.mean()) / NS_PER_MS,
        max_ms=float(ordered[-1]) / NS_PER_MS,
        quantiles=tuple(_quantile(ordered, ceiling, p, size) for p, size in zip(PERCENTILES, sizes, strict=True)),
    )


def _quantile(ordered: NDArray[np.int64], ceiling: NDArray[np.int64], p: float, effective_samples: float) -> Quantile:
    """`ordered` holds open requests at their age, `ceiling` at infinity: the truth lies between the two."""
    found = quantile_interval(ordered, p, effective_samples)
    highest = quantile_interval(ceiling, p, effective_samples).high if ceiling is not ordered else found.high
    needed = samples_needed(ordered.size, p, effective_samples)
    return Quantile(
        p=p,
        value_ms=None if needed else _ms(found.value),
        low_ms=_ms(found.low),
        high_ms=None if highest == float(_FOREVER) else _ms(highest),
        effective_samples=effective_samples,
        needed=needed,
        at_least=quantile(ceiling, p) > quantile(ordered, p) * (1 + OPEN_TOLERANCE),
    )


def _widened(pooled: Quantile, latencies: Sequence[Latency]) -> Quantile:
    """The wider of the pooled interval and that of the repeats' own values, where each repeat can carry its own."""
    values = [own.value_ms for latency in latencies if (own := latency.at(pooled.p)) and own.value_ms is not None]
    between = replicate_interval(values) if len(values) == len(latencies) else None
    if pooled.interval_ms is None or between is None:
        return pooled
    wider = pooled.interval_ms.at_least(*between.ends)
    return msgspec.structs.replace(pooled, low_ms=wider.low, high_ms=wider.high)


def _effective(latency: Latency, p: float) -> float:
    own = latency.at(p)
    return own.effective_samples or 0.0 if own else 0.0


def _ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else value_ns / NS_PER_MS
