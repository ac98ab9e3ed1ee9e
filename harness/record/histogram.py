"""A histogram of durations that processes and machines can add up: for watching a run, and for what a worker leaves.

HdrHistogram with two significant digits, from 1 microsecond to 1 hour: a value is known to within 1 % of itself, and
adding histograms loses nothing more. What a report says comes from the rows, which are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_US

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hdrh.histogram import HdrHistogram
    from numpy.typing import NDArray

LOWEST_NS = NS_PER_US
HIGHEST_NS = 3600 * 10**9
DIGITS = 2
RELATIVE_ERROR = 10.0**-DIGITS
_KEPT_BITS = 8  # of a value's leading bits: finer than the buckets, and it makes a few values of many


class DurationHistogram:
    """Durations in nanoseconds; those outside the range count as its nearest end."""

    def __init__(self, inner: HdrHistogram | None = None) -> None:
        from hdrh.histogram import HdrHistogram

        self._inner = inner or HdrHistogram(1, HIGHEST_NS, DIGITS)

    @property
    def count(self) -> int:
        """How many durations are in it."""
        return int(self._inner.get_total_count())

    def add(self, durations_ns: NDArray[np.int64]) -> None:
        """Count durations (n,). Values that fall into one bucket are counted at once."""
        clipped = np.clip(durations_ns, LOWEST_NS, HIGHEST_NS)
        spare = np.maximum(np.frexp(clipped.astype(np.float64))[1] - _KEPT_BITS, 0)
        values, counts = np.unique((clipped >> spare) << spare, return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self._inner.record_value(value, count)

    def quantile_ms(self, p: float) -> float | None:
        """The `p`-quantile to within `RELATIVE_ERROR`; None where it is empty."""
        return self._inner.get_value_at_percentile(100 * p) / NS_PER_MS if self.count else None

    def encode(self) -> str:
        """In HdrHistogram's own compressed format (V2, base64), which its other tools read."""
        return str(self._inner.encode().decode("ascii"))

    @classmethod
    def decode(cls, text: str) -> DurationHistogram:
        """The opposite of `encode`."""
        from hdrh.histogram import HdrHistogram

        return cls(HdrHistogram.decode(text.encode("ascii")))

    @classmethod
    def sum_of(cls, histograms: Iterable[DurationHistogram]) -> DurationHistogram:
        """All of them together."""
        total = cls()
        for histogram in histograms:
            total._inner.add(histogram._inner)  # noqa: SLF001  (same class)
        return total
