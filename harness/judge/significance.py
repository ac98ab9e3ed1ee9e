"""Compares two settings by the figures of their runs, one number each, never by their requests.

Requests of one run share everything that differs between runs; treating them as independent calls identical servers
different in a third to four fifths of all cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.judge.stats.ratio_intervals import independent_ratio, paired_ratio, sign_flip_p_value

if TYPE_CHECKING:
    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics
    from harness.judge.stats.ratio_intervals import Ratio

FEWEST_PAIRS = 3
SMALLEST_DIFFERENCE = 0.01  # identical runs differ by so much for reasons that nobody controls
EQUIVALENCE_MARGIN = 0.05
_SIGNIFICANT = 0.05


class Change(StrEnum):
    """What the runs say of `after` against `before`."""

    REGRESSION = "REGRESSION"
    IMPROVED = "IMPROVED"
    EQUIVALENT = "EQUIVALENT"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Runs:
    """One figure of one thing over its runs, in the order of the blocks they were run in.

    overall: the figure over all runs, with an interval that holds what runs differ by.
    """

    values: tuple[float, ...]
    overall: Interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ratio after / before with its 95 % interval, and what follows from it."""

    ratio: Interval
    change: Change
    runs: int
    p_value: float | None = None

    @property
    def different(self) -> bool:
        """Whether the data show a difference between the two."""
        return self.change in (Change.REGRESSION, Change.IMPROVED)


def compare_throughput(before: PointMetrics, after: PointMetrics) -> Comparison:
    """Two points of one run by their throughput, whose intervals hold the run noise; both have responses."""
    runs = (_throughput(before), _throughput(after))
    ratio = _pooled_ratio(*runs)
    pairs = min(len(each.values) for each in runs)
    return Comparison(ratio.interval, _change(ratio, None, True), pairs)


def _throughput(point: PointMetrics) -> Runs:
    return Runs(tuple(trial.throughput_rps.value for trial in point.trials), point.throughput_rps)


def compare(before: Runs, after: Runs, *, higher_is_better: bool = True) -> Comparison:
    """Compare block by block where there are three or more of both, otherwise by the pooled figures.

    Different: the whole interval of the ratio lies more than `SMALLEST_DIFFERENCE` from 1, and from six pairs on
    the sign-flip test agrees. Equivalent (two one-sided tests): its 90 % interval lies within `EQUIVALENCE_MARGIN`.
    """
    pairs = min(len(before.values), len(after.values))
    p_value = None
    if pairs >= FEWEST_PAIRS and min(*before.values, *after.values) > 0:
        ratio = paired_ratio(before.values[:pairs], after.values[:pairs])
        p_value = sign_flip_p_value(before.values[:pairs], after.values[:pairs])
    else:
        ratio = _pooled_ratio(before, after)
    return Comparison(ratio.interval, _change(ratio, p_value, higher_is_better), pairs, p_value)


def compare_apart(
    before: Runs, after: Runs, *, higher_is_better: bool = True, margin: float = EQUIVALENCE_MARGIN
) -> Comparison:
    """Compare what was measured at two times, and so in no common block: by the pooled figures.

    Different: the whole interval of the ratio lies beyond `margin` (0.05: 5 %), which is left for what a machine
    drifts by between two times. Equivalent: its 90 % interval lies within it.
    """
    ratio = _pooled_ratio(before, after)
    change = _change(ratio, None, higher_is_better, least=margin, margin=margin)
    runs = min(len(before.values), len(after.values))
    return Comparison(ratio.interval, change, runs)


def _pooled_ratio(before: Runs, after: Runs) -> Ratio:
    return independent_ratio(
        (before.overall.value, _relative_error(before)),
        (after.overall.value, _relative_error(after)),
    )


def _relative_error(runs: Runs) -> float:
    """Standard error of the logarithm, as the interval says; infinite where it has an open end or reaches down to 0."""
    low, high = runs.overall.ends
    return math.log(high / low) / (2 * 1.96) if low > 0 else math.inf


def _change(
    ratio: Ratio,
    p_value: float | None,
    higher_is_better: bool,
    *,
    least: float = SMALLEST_DIFFERENCE,
    margin: float = EQUIVALENCE_MARGIN,
) -> Change:
    surely = p_value is None or p_value < _SIGNIFICANT
    low, high = ratio.interval.ends
    if surely and low > 1 + least:
        return Change.IMPROVED if higher_is_better else Change.REGRESSION
    if surely and high < 1 / (1 + least):
        return Change.REGRESSION if higher_is_better else Change.IMPROVED
    if ratio.low_90 > 1 / (1 + margin) and ratio.high_90 < 1 + margin:
        return Change.EQUIVALENT
    return Change.INCONCLUSIVE
