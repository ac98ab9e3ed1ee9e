"""Samples as series: one per source and metric."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_S

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from harness.judge.numbers.trial_rows import Window


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one source: instants (n,) in nanoseconds, ascending, and values (n,)."""

    t_ns: NDArray[np.int64]
    values: NDArray[np.float64]

    def within(self, window: Window) -> Series:
        """The readings inside `window`."""
        inside = window.holds(self.t_ns)
        return Series(self.t_ns[inside], self.values[inside])

    def mean(self) -> float | None:
        """The mean of a gauge; None without readings."""
        return float(self.values.mean()) if self.values.size else None

    def increase(self) -> float | None:
        """What a counter gained, over its restarts; None below two readings."""
        return float(np.maximum(np.diff(self.values), 0.0).sum()) if self.values.size > 1 else None

    def rate(self) -> float | None:
        """The counter's gain per second of the real time between its first and last reading."""
        increase = self.increase()
        elapsed_ns = int(self.t_ns[-1] - self.t_ns[0]) if increase is not None else 0
        return increase / (elapsed_ns / NS_PER_S) if increase is not None and elapsed_ns else None

    def rates_between(self, edges_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """A counter's gain per second (len(edges) - 1,) between `edges_ns`; NaN outside what was read."""
        if self.values.size < 2:
            return np.full(edges_ns.size - 1, np.nan)
        # From the first reading on, so that instants stay exact in float64.
        at = np.interp(edges_ns - self.t_ns[0], self.t_ns - self.t_ns[0], self.values, left=np.nan, right=np.nan)
        rates: NDArray[np.float64] = np.diff(at) / (np.diff(edges_ns) / NS_PER_S)
        return rates


NO_READINGS = Series(np.empty(0, dtype=np.int64), np.empty(0))


class Samples:
    """A table of `harness.record.samples.sample_schema()`, or none, by source and metric.

    t_ns, late_ns: (n,) of every reading; errors: (t_ns, text) of the readings that failed.
    """

    def __init__(self, table: pa.Table | None) -> None:
        self._series: dict[tuple[str, str], Series] = {}
        self.t_ns = self.late_ns = np.empty(0, dtype=np.int64)
        self.errors: tuple[tuple[int, str], ...] = ()
        if table is not None and table.num_rows:
            self._read(table)

    def _read(self, table: pa.Table) -> None:
        frame = table.to_pandas().sort_values("t_ns", kind="stable")
        self.t_ns = frame["t_ns"].to_numpy(dtype=np.int64)
        self.late_ns = frame["late_ns"].to_numpy(dtype=np.int64)
        failed = frame[frame["error"].notna()]
        self.errors = tuple(zip(failed["t_ns"].astype(int), failed["error"].astype(str), strict=True))
        for (source, metric), part in frame.dropna(subset=["value"]).groupby(["source", "metric"]):
            series = Series(part["t_ns"].to_numpy(dtype=np.int64), part["value"].to_numpy(dtype=np.float64))
            self._series[str(source), str(metric)] = series

    def series(self, source: str, metric: str) -> Series:
        """All readings of one metric; empty where there is none."""
        return self._series.get((source, metric), NO_READINGS)

    def numbered(self, kind: str) -> list[str]:
        """The sources `cpu0`, `cpu1`, ... (or `gpu0`, ...) in order of their number."""
        found = {source for source, _ in self._series if source.startswith(kind) and source[len(kind) :].isdigit()}
        return sorted(found, key=lambda source: int(source[len(kind) :]))
