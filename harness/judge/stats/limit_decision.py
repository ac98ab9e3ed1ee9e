"""Decides whether the share of responses slower than a limit stays within what is allowed.

This is a question about a share, not about a percentile: `p99 < 50 ms` holds where at most 1 % of the responses take
longer than 50 ms. A share at a known limit is known from far fewer requests than the response time at a known share.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.judge.stats.dependence import STRETCHES, dependence
from harness.judge.stats.distributions import normal_cdf, student_t_quantile
from harness.judge.stats.durations import ordered_together
from harness.judge.stats.percentile_intervals import trial_factors
from harness.judge.stats.quantiles import quantile
from harness.judge.stats.trial_noise import PRIOR_NOISE, TrialNoise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.judge.stats.dependence import Clustering
    from harness.judge.stats.durations import Durations

_CONFIDENCE = 0.95  # of each of the two bounds: 1 decision in 20 is wrong where the truth is just beside the limit
_ANGLES = (0.0, 0.25 * math.pi, 0.5 * math.pi)
_FEW_CLUSTERS = 10.0  # fewer do not show how they cluster
_LOWER_QUANTILES = (0.95, 0.99)
_HALVINGS = (1, 2, 3)
_TAIL = 0.25
_TIMES_AS_LONG = (1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 32.0)


class LimitDecision(StrEnum):
    """Whether the limit is kept: yes, no, or what was measured cannot say."""

    KEPT = "kept"
    MISSED = "missed"
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True)
class ShareAbove:
    """The share of responses slower than a limit, the bounds of the typical trial's, and what they decide.

    Each bound holds with 95 % confidence. `worth` is how many independent responses the sample is worth, for the upper
    bound.
    """

    decision: LimitDecision
    share: float
    low: float
    high: float
    worth: float


def decide_limit(
    trials: Sequence[Durations],
    limit: float,
    allowed: float,
    users: int | None = None,
    noise: TrialNoise = PRIOR_NOISE,
) -> ShareAbove:
    """Whether at most the share `allowed` of the responses is slower than `limit`, over all trials of a point.

    `users` is how many users share a closed loop; None for an open loop. One stall of the target makes at most one
    response of each user slow, so where few slow responses were seen, as many requests count as one. A request that is
    still open counts as slow once it has waited longer than the limit; before that it may be either.
    """
    trials = [trial for trial in trials if trial.values_ns.size]
    if not trials:
        return ShareAbove(LimitDecision.NOT_YET, 0.0, 0.0, 1.0, 0.0)
    rows = _Rows.of(trials, noise, users)
    high, worth = _upper(rows, limit, noise)
    low = _lower(rows, limit, noise)
    certain = LimitDecision.KEPT if high < allowed else LimitDecision.MISSED
    decision = certain if high < allowed or low > allowed else LimitDecision.NOT_YET
    share = sum(trial.slower_than(limit).seen for trial in trials) / rows.count
    return ShareAbove(decision, share, min(low, share), max(high, share), worth)


def times_as_long(
    trials: Sequence[Durations],
    limit: float,
    allowed: float,
    users: int | None = None,
    noise: TrialNoise = PRIOR_NOISE,
) -> float | None:
    """How many times as many such trials would decide what `decide_limit` leaves open, if they show the same.

    None where 32 times as many would not: nothing was measured, or the share lies too near `allowed`.
    """
    trials = [trial for trial in trials if trial.values_ns.size]
    if not trials:
        return None
    rows = _Rows.of(trials, noise, users)

    def decides(times: float) -> bool:
        more = replace(rows, times=times)
        return _upper(more, limit, noise)[0] < allowed or _lower(more, limit, noise) > allowed

    place = bisect_left(_TIMES_AS_LONG, True, key=decides)
    return _TIMES_AS_LONG[place] if place < len(_TIMES_AS_LONG) else None


@dataclass(frozen=True)
class _Rows:
    """Rows of the trials, brought to the typical one; `users`: how many may be slow together, 1 in an open loop.

    `floor` is the least dependence where few slow responses were seen. `times`: as if there were so many such samples.
    """

    trials: Sequence[Durations]
    factors: Sequence[float]
    count: int
    median: float
    users: int
    floor: float
    times: float = 1.0

    @classmethod
    def of(cls, trials: Sequence[Durations], noise: TrialNoise, users: int | None) -> _Rows:
        factors = trial_factors(trials, noise)
        ordered = ordered_together(trials, factors)
        tails = [_slower(trials, factors, quantile(ordered, p)) for p in _LOWER_QUANTILES]
        together = users or 1
        floor = max(float(together), *map(dependence, tails))
        return cls(trials, factors, ordered.size, quantile(ordered, 0.5), together, floor)

    def above(self, limit: float, *, open_counts: bool) -> tuple[float, float]:
        """How many independent responses are slower than `limit`, of how many in all."""
        slow = _slower(self.trials, self.factors, limit, open_counts=open_counts)
        seen = sum(each.seen for each in slow)
        tau = dependence(slow)
        if min(seen, self.count - seen) < _FEW_CLUSTERS * tau:
            tau = max(tau, self.floor)
        return self.times * seen / tau, self.times * self.count / tau


def _slower(
    trials: Sequence[Durations], factors: Sequence[float], limit: float, *, open_counts: bool = False
) -> list[Clustering]:
    pairs = zip(trials, factors, strict=True)
    return [trial.slower_than(limit, factor, open_counts=open_counts) for trial, factor in pairs]


def _upper(rows: _Rows, limit: float, noise: TrialNoise) -> tuple[float, float]:
    """The bound from above of the share slower than `limit`, and what the sample is worth there."""
    bound, worth = 0.0, math.inf
    for confidence, factor in _splits(rows, noise):
        at = limit / factor
        slow, total = rows.above(at, open_counts=True)
        share = clopper_pearson_upper(slow, total, confidence) if slow else _unseen(rows, at, total, confidence)
        bound, worth = max(bound, share), min(worth, total)
    return bound, worth


def _unseen(rows: _Rows, limit: float, total: float, confidence: float) -> float:
    """The bound where no response was slower than the limit.

    The share above half, a quarter, ... of the limit (counted from the median) is bounded too where that is in the tail
    (`_TAIL` of the responses or fewer), and the share above the limit is taken to be at most 1 / 4, 1 / 16, ... of it:
    of a tail of which nothing was seen it is supposed that it falls at least as fast as 1 / x^2, as all do that have a
    variance. Stalls that make one response of each user slow need not fall so; the bound is never below a share of them
    that would have shown in half of such samples.
    """
    bounds = [clopper_pearson_upper(0.0, total, confidence)]
    for halvings in _HALVINGS:
        nearer = rows.median + (limit - rows.median) / 2**halvings
        slow, of = rows.above(nearer, open_counts=True)
        if slow <= _TAIL * of:
            bounds.append(clopper_pearson_upper(slow, of, confidence) / 4**halvings)
    return max(min(bounds), clopper_pearson_upper(0.0, rows.times * rows.count / rows.users, 0.5))


def _lower(rows: _Rows, limit: float, noise: TrialNoise) -> float:
    """The bound from below of the share slower than `limit`."""
    return min(
        clopper_pearson_lower(*rows.above(limit * factor, open_counts=False), confidence)
        for confidence, factor in _splits(rows, noise)
    )


def _splits(rows: _Rows, noise: TrialNoise) -> Iterator[tuple[float, float]]:
    """(confidence of the share, factor of the limit), whose worst bound combines both errors in quadrature.

    A margin that is a sin(angle) + b cos(angle) at every angle is at least the root of a^2 + b^2.
    """
    trials = rows.times * len(rows.trials)
    z = student_t_quantile(
        _CONFIDENCE, (STRETCHES - 1) * trials
    )  # not the normal's: tau is estimated from 20 stretches a trial
    shift = noise.half_width(trials, _CONFIDENCE)
    for angle in _ANGLES:
        yield normal_cdf(z * math.cos(angle)), math.exp(shift * math.sin(angle))


def clopper_pearson_upper(successes: float, trials: float, confidence: float) -> float:
    """One-sided bound of a share from above (Clopper and Pearson 1934), for counts that need not be whole."""
    from scipy.special import betaincinv

    return 1.0 if successes >= trials else float(betaincinv(successes + 1.0, trials - successes, confidence))


def clopper_pearson_lower(successes: float, trials: float, confidence: float) -> float:
    """One-sided bound of a share from below, for counts that need not be whole."""
    from scipy.special import betaincinv

    return 0.0 if successes <= 0 else float(betaincinv(successes, trials - successes + 1.0, 1.0 - confidence))
