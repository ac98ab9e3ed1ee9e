"""Series of resource samples: one per source and metric."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_S

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from harness.record.rows import Window


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

    def median(self) -> float | None:
        """The median of a gauge, which a few readings that were held up do not move; None without readings."""
        return float(np.median(self.values)) if self.values.size else None

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


_JOINT = "\n"  # between a source and a metric, in neither of which it occurs
NO_READINGS = Series(np.empty(0, dtype=np.int64), np.empty(0))


class SampleSeries:
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
        import pyarrow.compute as pc

        table = table.sort_by("t_ns").combine_chunks()  # a stable sort
        self.t_ns, self.late_ns = (table[name].to_numpy() for name in ("t_ns", "late_ns"))
        failed = table.filter(pc.is_valid(table["error"]))
        self.errors = tuple(zip(failed["t_ns"].to_pylist(), failed["error"].to_pylist(), strict=True))
        known = table.filter(pc.invert(pc.is_null(table["value"], nan_is_null=True)))
        names = pc.binary_join_element_wise(known["source"], known["metric"], _JOINT).combine_chunks()
        names = names.dictionary_encode()
        numbers, t_ns, values = names.indices.to_numpy(), known["t_ns"].to_numpy(), known["value"].to_numpy()
        for number, name in enumerate(names.dictionary.to_pylist()):
            source, _, metric = name.partition(_JOINT)
            chosen = numbers == number
            self._series[source, metric] = Series(t_ns[chosen], values[chosen])

    def series(self, source: str, metric: str) -> Series:
        """All readings of one metric; empty where there is none."""
        return self._series.get((source, metric), NO_READINGS)

    def without(self, *sources: str) -> SampleSeries:
        """The same without all series of some sources."""
        left = copy(self)
        kept = {key: series for key, series in self._series.items() if key[0] not in sources}
        left._series = kept  # noqa: SLF001  (it is of this class)
        return left

    def sources(self, prefix: str) -> list[str]:
        """The sources whose name begins with `prefix`, sorted."""
        return sorted({source for source, _ in self._series if source.startswith(prefix)})

    def numbered(self, kind: str) -> list[str]:
        """The sources `cpu0`, `cpu1`, ... (or `gpu0`, ...) in order of their number."""
        found = {source for source, _ in self._series if source.startswith(kind) and source[len(kind) :].isdigit()}
        return sorted(found, key=lambda source: int(source[len(kind) :]))
