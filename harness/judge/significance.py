"""Compares two settings by the figures of their trials, one number each, never by their requests.

Requests of one trial share everything that differs between trials; treating them as independent calls identical servers
different in a third to four fifths of all cases.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.judge.stats.distributions import normal_cdf
from harness.judge.stats.paired_tests import holm
from harness.judge.stats.ratio_intervals import ratio_with_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judge.interval import Interval
    from harness.judge.stats.paired_tests import PairedTest

SMALLEST_DIFFERENCE = 0.01  # identical trials differ by so much for reasons that nobody controls
EQUIVALENCE_MARGIN = 0.05
SIGNIFICANT = 0.05


class Change(StrEnum):
    """What the trials say of `after` against `before`. `NOT_WORSE`: by more than a margin, and perhaps better."""

    REGRESSION = "REGRESSION"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_WORSE = "NOT WORSE"
    EQUIVALENT = "EQUIVALENT"
    IMPROVED = "IMPROVED"


def worst_change(changes: Sequence[Change]) -> Change:
    """The worst of them, in the order above; INCONCLUSIVE where there is none."""
    return min(changes, key=list(Change).index, default=Change.INCONCLUSIVE)


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ratio after / before with its 95 % interval, and what follows from it.

    ratio: of a share of failures, which can be 0, it is the difference. p_worse: of the test that it got worse,
    corrected for all tests that were made.
    """

    ratio: Interval
    change: Change
    p_worse: float | None = None

    @property
    def different(self) -> bool:
        """Whether the data show a difference between the two."""
        return self.change in (Change.REGRESSION, Change.IMPROVED)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the trials say of one figure: its ratio, and one-sided p-values. A small one speaks against chance.

    worse, better: that the figure changed in that direction. not_worse, not_better: that it did not by the margin.
    """

    ratio: Interval
    worse: float
    better: float
    not_worse: float
    not_better: float


def judged_together(evidence: Sequence[Evidence]) -> list[Comparison]:
    """What follows for each figure where all of them are looked at: one in twenty such looks raises a false alarm.

    A figure that is surely within the margin is never a REGRESSION, however surely it changed.
    """
    worse = holm([each.worse for each in evidence])
    better = holm([each.better for each in evidence])
    return [
        Comparison(each.ratio, _change(each, p_worse, p_better), p_worse)
        for each, p_worse, p_better in zip(evidence, worse, better, strict=True)
    ]


def _change(each: Evidence, worse: float, better: float) -> Change:
    if each.not_worse < SIGNIFICANT:
        if better < SIGNIFICANT:
            return Change.IMPROVED
        return Change.EQUIVALENT if each.not_better < SIGNIFICANT else Change.NOT_WORSE
    return Change.REGRESSION if worse < SIGNIFICANT else Change.INCONCLUSIVE


def of_pairs(test: PairedTest, ratio: Interval, margin: float) -> Evidence:
    """The evidence of pairs of trials; `test` is of their harm (on logarithms, or of shares), as `margin` is."""
    return Evidence(
        ratio,
        worse=test.p_above(0.0),
        better=test.p_below(0.0),
        not_worse=test.p_below(margin),
        not_better=test.p_above(-margin),
    )


def measured_apart(
    before: Interval,
    after: Interval,
    margin: float,
    *,
    higher_is_better: bool,
    least_error: float = 0.0,
    drift: float = 0.0,
) -> Evidence:
    """The evidence of what was measured at two times, and so in no common block, by figures that hold the trial noise.

    A change within `margin` (0.05: 5 %) is none. `least_error`: of the logarithm of the ratio, where something else
    than the two figures shows that it is not less. `drift`: standard deviation of the logarithm of the machine's speed
    between the two times.
    """
    error = math.hypot(max(_error(before, after), least_error), drift)
    ratio = ratio_with_error(after.value / before.value, error)
    harm = -math.log(ratio.value) if higher_is_better else math.log(ratio.value)
    limit = math.log1p(margin)

    def p_above(bound: float) -> float:
        return normal_cdf((bound - harm) / error) if math.isfinite(error) else 1.0

    def p_below(bound: float) -> float:
        return normal_cdf((harm - bound) / error) if math.isfinite(error) else 1.0

    return Evidence(
        ratio,
        worse=p_above(limit),
        better=p_below(-limit),
        not_worse=p_below(limit),
        not_better=p_above(-limit),
    )


def compare_rates(before: Interval, after: Interval) -> Comparison:
    """Two rates of one run, neither of them 0, whose intervals hold the trial noise.

    Different: the whole 95 % interval of the ratio lies more than `SMALLEST_DIFFERENCE` from 1.
    """
    ratio = ratio_with_error(after.value / before.value, _error(before, after))
    low, high = ratio.ends
    change = Change.INCONCLUSIVE
    if low > 1 + SMALLEST_DIFFERENCE:
        change = Change.IMPROVED
    elif high < 1 / (1 + SMALLEST_DIFFERENCE):
        change = Change.REGRESSION
    return Comparison(ratio, change)


def _error(before: Interval, after: Interval) -> float:
    """Standard error of the logarithm of after / before; infinite where an interval has an open end."""
    return math.hypot(_relative_error(before), _relative_error(after))


def _relative_error(figure: Interval) -> float:
    """Standard error of the logarithm, as the interval says; infinite where it has an open end or reaches down to 0."""
    low, high = figure.ends
    return math.log(high / low) / (2 * 1.96) if low > 0 else math.inf
