"""Histograms of durations that processes and machines can add up, for the live line and for Locust's statistics.

Buckets are 1 % wide, so a value is known to within 0.5 % of itself, and adding histograms loses nothing more. The
report does not use them: it computes from the rows, which are exact.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

BUCKETS_PER_E = 100  # buckets in each factor of e
RELATIVE_ERROR = math.expm1(0.5 / BUCKETS_PER_E)


def buckets_of(durations_ns: NDArray[np.int64 | np.int32]) -> NDArray[np.int64]:
    """The bucket number of each duration (n,); durations below 1 ns count as 1 ns."""
    logs = np.log(np.maximum(durations_ns, 1))
    logs *= BUCKETS_PER_E
    numbers: NDArray[np.int64] = np.rint(logs, out=logs).astype(np.int64)
    return numbers


def middle_ms(bucket: int) -> float:
    """The geometric middle of a bucket in milliseconds."""
    return math.exp(bucket / BUCKETS_PER_E) / NS_PER_MS


def counted(values: NDArray[np.int64]) -> dict[int, int]:
    """How often each value occurs."""
    unique, counts = np.unique(values, return_counts=True)
    return dict(zip(unique.tolist(), counts.tolist(), strict=True))


class DurationHistogram:
    """Counts of durations by bucket number."""

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}

    @property
    def count(self) -> int:
        """How many durations it holds."""
        return sum(self.counts.values())

    def add(self, durations_ns: NDArray[np.int64]) -> None:
        """Count durations (n,) in nanoseconds."""
        self.merge(counted(buckets_of(durations_ns)))

    def merge(self, counts: Mapping[int, int]) -> None:
        """Add the counts of another histogram."""
        for bucket, count in counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count

    def quantile_ms(self, p: float) -> float | None:
        """The `p`-quantile to within `RELATIVE_ERROR`, by nearest rank; None where it is empty."""
        rank = max(1, math.ceil(p * self.count))
        passed = 0
        for bucket in sorted(self.counts):
            passed += self.counts[bucket]
            if passed >= rank:
                return middle_ms(bucket)
        return None

    @classmethod
    def sum_of(cls, parts: Iterable[Mapping[int, int]]) -> DurationHistogram:
        """The histogram of all counts together."""
        total = cls()
        for counts in parts:
            total.merge(counts)
        return total
