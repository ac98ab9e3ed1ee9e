"""The timeline of one trial: its figures in bins of equal length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.judge.metrics import Timeline
from harness.judge.numbers.server_figures import gauges_over_time
from harness.judge.stats.quantiles import nearest_rank
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.judge.numbers.sample_series import SampleSeries
    from harness.judge.numbers.trial_rows import RowColumns, TrialRows
    from harness.record.server.statistics import ServerStatistics

MOST_BINS = 120
_STEPS_S = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_FAILURES = (Outcome.WRONG, Outcome.ERROR, Outcome.TIMEOUT, Outcome.REJECTED, Outcome.ABORTED)


def timeline(rows: TrialRows, samples: SampleSeries, statistics: ServerStatistics | None = None) -> Timeline:
    """The whole trial, warm-up and drain included, in at most `MOST_BINS` bins by the instant of the response."""
    done = rows.everything.where(rows.everything["done_ns"] != ABSENT)
    edges_ns, bin_s = bin_edges(rows, done, MOST_BINS)
    count = edges_ns.size - 1
    bins = ((done["done_ns"] - edges_ns[0]) // (edges_ns[1] - edges_ns[0])).astype(np.int16)
    good = done.outcome_is(Outcome.OK)
    failed = done.outcome_is(*_FAILURES)
    response_ns = np.maximum(done["done_ns"] - done["due_ns"], 0)
    quantiles_ms = _quantiles_per_bin(bins[good], response_ns[good], count)
    middles_ns = (edges_ns[:-1] + edges_ns[1:]) // 2 - rows.window.start_ns
    return Timeline(
        bin_s=bin_s,
        t_s=tuple((middles_ns / NS_PER_S).tolist()),
        throughput_rps=tuple((np.bincount(bins[good], minlength=count) / bin_s).tolist()),
        p50_ms=quantiles_ms[0.5],
        p99_ms=quantiles_ms[0.99],
        cpu_target_cores=_known(samples.series("target", "cpu_s").rates_between(edges_ns)),
        cpu_load_cores=_known(samples.series("load", "cpu_s").rates_between(edges_ns)),
        errors_rps=tuple((np.bincount(bins[failed], minlength=count) / bin_s).tolist()),
        server=gauges_over_time(statistics, edges_ns),
    )


def bin_edges(rows: TrialRows, done: RowColumns, most: int) -> tuple[NDArray[np.int64], float]:
    """Edges (bins + 1,) of at most `most` bins, and the width of a bin in seconds.

    One edge falls on the start of the window. `done` are the rows that must lie in the bins.
    """
    first_ns = min(int(rows.everything["due_ns"].min()), rows.window.start_ns)
    last_ns = max(int(done["done_ns"].max(initial=0)), rows.window.end_ns)
    seconds = (last_ns - first_ns) / NS_PER_S
    bin_s = next((step for step in _STEPS_S if seconds / step <= most - 2), seconds / (most - 2))
    bin_ns = int(bin_s * NS_PER_S)
    before = -(-(rows.window.start_ns - first_ns) // bin_ns)
    after = (last_ns - rows.window.start_ns) // bin_ns + 1
    edges_ns = rows.window.start_ns + bin_ns * np.arange(-before, after + 1, dtype=np.int64)
    return edges_ns, bin_s


def _quantiles_per_bin(
    bins: NDArray[np.int16], values_ns: NDArray[np.int64], count: int
) -> dict[float, tuple[float | None, ...]]:
    by_bin_ns = values_ns[np.argsort(bins.astype(np.uint16), kind="stable")]  # of 16 bits: NumPy counts, not compares
    parts_ns = np.split(by_bin_ns, np.cumsum(np.bincount(bins, minlength=count))[:-1])
    return {p: tuple(_quantile_ms(part_ns, p) for part_ns in parts_ns) for p in (0.5, 0.99)}


def _quantile_ms(values_ns: NDArray[np.int64], p: float) -> float | None:
    """The `p`-quantile of a bin; None where it holds too few. It leaves the values in another order."""
    if values_ns.size < 1 / (1 - p):
        return None
    rank = nearest_rank(values_ns.size, p)
    values_ns.partition(rank)
    return float(values_ns[rank] / NS_PER_MS)


def _known(values: NDArray[np.float64]) -> tuple[float | None, ...]:
    if np.isnan(values).all():
        return ()
    return tuple(None if np.isnan(value) else float(value) for value in values)
