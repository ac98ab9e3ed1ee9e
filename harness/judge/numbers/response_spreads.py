"""Histograms of response times: counted once a trial in narrow buckets, joined to fewer bars for each point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_S
from harness.judge.numbers.timeline import bin_edges
from harness.judge.response_spread import ResponseSpread, SpreadOverTime
from harness.record.histogram import BUCKETS_PER_E, buckets_of, middle_ms
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.numbers.trial_rows import TrialRows
    from harness.judge.stats.durations import Durations

MOST_TIME_BINS = 40  # of a repeat
MOST_BARS = 36


@dataclass(frozen=True, slots=True)
class TimedBuckets:
    """The good responses of a trial, counted by time bin and by narrow bucket: equal-length columns (n,)."""

    repeat: int
    bin_s: float
    start_s: float
    bins: int  # in all
    time_bin: NDArray[np.int64]
    bucket: NDArray[np.int64]
    count: NDArray[np.int64]


def timed_buckets(rows: TrialRows, repeat: int) -> TimedBuckets | None:
    """Counts the good responses of a trial; None where none came."""
    good = rows.everything.where(rows.everything.outcome_is(Outcome.OK) & (rows.everything["done_ns"] != ABSENT))
    if not len(good):
        return None
    edges_ns, bin_s = bin_edges(rows, good, MOST_TIME_BINS)
    time_bin = (good["done_ns"] - edges_ns[0]) // (edges_ns[1] - edges_ns[0])
    bucket = buckets_of(good["done_ns"] - good["due_ns"])
    lowest = int(bucket.min())
    width = int(bucket.max()) - lowest + 1
    counts = np.bincount(time_bin * width + (bucket - lowest))
    found = np.flatnonzero(counts)
    return TimedBuckets(
        repeat=repeat,
        bin_s=bin_s,
        start_s=float(edges_ns[0] - rows.window.start_ns) / NS_PER_S,
        bins=edges_ns.size - 1,
        time_bin=found // width,
        bucket=found % width + lowest,
        count=counts[found],
    )


def response_spread(trials: Sequence[Durations], timed: Sequence[TimedBuckets | None]) -> ResponseSpread | None:
    """Bars that all repeats of a point share; None where there is no response."""
    over_time = [each for each in timed if each is not None]
    judged = [buckets_of(trial.values_ns) for trial in trials if trial.values_ns.size]
    everything = [*judged, *(each.bucket for each in over_time)]
    if not everything:
        return None
    lowest, highest = min(int(part.min()) for part in everything), max(int(part.max()) for part in everything)
    step = -(-(highest - lowest + 1) // MOST_BARS)
    bars = (highest - lowest) // step + 1
    pooled = np.bincount((np.concatenate(judged) - lowest) // step, minlength=bars) if judged else np.zeros(bars, int)
    half = 0.5 / BUCKETS_PER_E
    return ResponseSpread(
        edges_ms=tuple(middle_ms(lowest + step * bar) * float(np.exp(-half)) for bar in range(bars + 1)),
        counts=tuple(pooled.tolist()),
        over_time=tuple(_over_time(each, lowest, step, bars) for each in over_time),
    )


def _over_time(timed: TimedBuckets, lowest: int, step: int, bars: int) -> SpreadOverTime:
    cell = timed.time_bin * bars + (timed.bucket - lowest) // step
    counts = np.bincount(cell, weights=timed.count, minlength=timed.bins * bars).astype(np.int64)
    return SpreadOverTime(
        repeat=timed.repeat,
        bin_s=timed.bin_s,
        start_s=timed.start_s,
        counts=tuple(map(tuple, counts.reshape(timed.bins, bars).tolist())),
    )
