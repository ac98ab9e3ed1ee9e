"""Durations of one trial, as the statistics take them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.stats.dependence import clustering
from harness.judge.stats.trial_noise import log_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from harness.judge.stats.dependence import Clustering
    from harness.judge.stats.trial_noise import LogMean

FOREVER = np.inf  # what a request that is still open may yet take


@dataclass(frozen=True)
class Durations:
    """Durations in nanoseconds in arrival order; where `still_open`, the true duration is at least the value.

    What takes a pass over all rows is computed once: a trial and its point ask for the same.
    """

    values_ns: NDArray[np.int64 | np.int32]
    still_open: NDArray[np.bool_]

    @cached_property
    def ordered_ns(self) -> NDArray[np.int64 | np.int32]:
        """The values, ascending."""
        return np.sort(self.values_ns)

    @cached_property
    def ended_ns(self) -> NDArray[np.int64 | np.int32]:
        """The values of requests that ended, ascending."""
        if not self.any_open:
            return self.ordered_ns
        left_out = np.sort(self.values_ns[self.still_open])
        equal_before = np.arange(left_out.size) - np.searchsorted(left_out, left_out)
        return np.delete(self.ordered_ns, np.searchsorted(self.ordered_ns, left_out) + equal_before)

    @cached_property
    def log_mean(self) -> LogMean | None:
        """The trial's mean logarithm of these durations; None where there is none."""
        return log_duration(self.values_ns)

    @cached_property
    def any_open(self) -> bool:
        """Whether a request was still open at the end."""
        return bool(self.still_open.any())

    @cached_property
    def _clusterings(self) -> dict[tuple[float, float, bool], Clustering]:
        return {}

    def slower_than(self, limit: float, factor: float = 1.0, *, open_counts: bool = False) -> Clustering:
        """How those cluster that exceed `limit` once divided by `factor`; with `open_counts`, all open ones too."""
        key = limit, factor, open_counts and self.any_open
        if key not in self._clusterings:
            slow = (self.values_ns if factor == 1.0 else self.values_ns / factor) > limit
            self._clusterings[key] = clustering(slow | self.still_open if key[-1] else slow)
        return self._clusterings[key]


def narrowed(values_ns: NDArray[np.int64]) -> NDArray[np.int64 | np.int32]:
    """The same values in half the memory where all are below 2.1 s, which makes sorting them quicker too."""
    most = np.iinfo(np.int32).max
    fits = not values_ns.size or (int(values_ns.max()) <= most and int(values_ns.min()) >= -most)
    return values_ns.astype(np.int32) if fits else values_ns


def ordered_together(
    trials: Sequence[Durations], factors: Sequence[float]
) -> NDArray[np.int64 | np.int32 | np.float64]:
    """All values of several trials (at least one), ascending; those of each trial divided by its factor."""
    return _merged([trial.ordered_ns for trial in trials], factors)


def ceiling_together(
    trials: Sequence[Durations], factors: Sequence[float]
) -> NDArray[np.int64 | np.int32 | np.float64]:
    """The same as if requests that are still open never ended: their values are infinite."""
    ended = _merged([trial.ended_ns for trial in trials], factors)
    still_open = sum(trial.values_ns.size for trial in trials) - ended.size
    return np.concatenate((ended, np.full(still_open, FOREVER))) if still_open else ended


def _merged(
    parts: Sequence[NDArray[np.int64 | np.int32]], factors: Sequence[float]
) -> NDArray[np.int64 | np.int32 | np.float64]:
    scaled: list[NDArray[np.int64 | np.int32 | np.float64]] = [
        part if factor == 1.0 else part / factor for part, factor in zip(parts, factors, strict=True)
    ]
    # A stable sort merges parts that are in order, in a fraction of the time of sorting them anew.
    return scaled[0] if len(scaled) == 1 else np.sort(np.concatenate(scaled), kind="stable")
