"""The decision of a budgeted sweep: the best point with figure and certainty, or the seconds that are missing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from harness.judge.decision.chances import WITHIN_2, WITHIN_5, Limit, chances
from harness.judge.interval import Interval
from harness.judge.stats.distributions import student_t_quantile
from harness.judge.stats.speeds.level_draws import level_draws

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judge.decision.chances import Chances
    from harness.judge.stats.speeds.point_speeds import Look, PointSpeeds

CERTAIN_ENOUGH = 0.7  # a point is named where it is within WITHIN_5 of the best with this probability
TAIL = 0.025  # on each side of a 95 % interval
TIED_COST = 0.05  # a smaller setting is offered where it costs no more than this, as far as can be seen
MAY_BE_BETTER = 0.05  # a badly measured point is listed where it is better with this probability
CONFIRMING_TRIALS = 6  # that a sweep which had none needs at least
TIMES_AS_LONG = (1, 2, 3, 4, 6, 8, 12, 16, 32)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A point of a budgeted sweep.

    setting: its place among the settings, smallest first. start: points that share a start of the target share it.
    """

    setting: int
    start: int = 0


class Status(StrEnum):
    """How a budgeted sweep ended."""

    NAMED = "named"
    NOT_YET = "cannot be said yet"
    NONE_KEEPS = "no point keeps the limit"


@dataclass(frozen=True, slots=True)
class Alternative:
    """A smaller setting that may do as well: its point, and what it costs as a share of the best (95 % interval)."""

    point: int
    cost: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Open:
    """A point that may be better and could not be measured well.

    `up_to` is the share by which it may be better; None: it has no usable trial, so no bound is known.
    """

    point: int
    harmed: int  # trials that disturbances spoiled
    limit: Limit
    up_to: float | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a sweep decides. certainty: probability that `best` is within 2 % of the best. near: within 5 %."""

    status: Status
    best: int | None = None
    figure: Interval | None = None
    certainty: float = 0.0
    near: float = 0.0
    smaller: Alternative | None = None
    baseline: int | None = None  # the best point of the setting that was swept first, where that is another
    speedup: Interval | None = None  # of the best over the baseline
    open_points: tuple[Open, ...] = ()
    more_s: float | None = None


@dataclass(frozen=True, slots=True)
class Stand:
    """What a budgeted sweep knows when it decides."""

    candidates: tuple[Candidate, ...]
    known: tuple[PointSpeeds, Chances] | None  # None: no trial is usable
    looks: tuple[Look, ...]
    fresh: tuple[Look, ...]  # those of the confirming trials
    limits: tuple[Limit, ...]
    failed: frozenset[int]
    harmed: tuple[int, ...]  # the point of every harmed trial
    spent_s: float
    trial_s: float

    def looks_at(self, point: int) -> int:
        """How many usable trials the point has."""
        return sum(look.point == point for look in self.looks)

    def fresh_at(self, point: int) -> list[Look]:
        """The confirming trials of the point."""
        return [look for look in self.fresh if look.point == point]

    @property
    def running(self) -> list[int]:
        """The points that may be the best as far as the limit goes."""
        numbers = range(len(self.candidates))
        return [n for n in numbers if self.limits[n] is not Limit.MISSED and n not in self.failed]


def decide(stand: Stand) -> Decision:
    """The decision from what is known."""
    if not stand.running:
        return Decision(Status.NONE_KEEPS)
    best = _named(stand)
    if best is None or stand.known is None:
        return Decision(Status.NOT_YET, open_points=_open_points(stand, None), more_s=_more_s(stand, None))
    levels, found = stand.known
    fresh = stand.fresh_at(best)
    near = found.certainty(best, WITHIN_5)
    said = bool(fresh) and near >= CERTAIN_ENOUGH
    baseline = _baseline(stand, levels, best)
    return Decision(
        status=Status.NAMED if said else Status.NOT_YET,
        best=best,
        figure=published_figure(fresh, levels) if fresh else None,
        certainty=found.certainty(best, WITHIN_2),
        near=near,
        smaller=_smaller(stand, levels, found, best),
        baseline=baseline,
        speedup=None if baseline is None else _speedup(found, best, baseline),
        open_points=_open_points(stand, best),
        more_s=None if said else _more_s(stand, best),
    )


def published_figure(fresh: Sequence[Look], levels: PointSpeeds) -> Interval:
    """Mean of the confirming trials of one point (at least one), with the scatter between runs and between blocks.

    A trial of which disturbances left little says little: each weighs by the inverse of its variance (DerSimonian and
    Laird, 1986). The degrees of freedom are those of the sum of two variances (Satterthwaite, 1946).
    """
    weights = 1.0 / (levels.noise**2 + np.array([look.standard_error for look in fresh]) ** 2)
    mean = float(np.average([look.log_value for look in fresh], weights=weights))
    run, block = 1.0 / float(weights.sum()), levels.drift**2 * float((weights**2).sum() / weights.sum() ** 2)
    df = (run + block) ** 2 / (run**2 / levels.df + block**2 / levels.drift_df)
    reach = student_t_quantile(1.0 - TAIL, df) * math.sqrt(run + block)
    return Interval(math.exp(mean), math.exp(mean - reach), math.exp(mean + reach))


def _named(stand: Stand) -> int | None:
    """The best point that is known to keep the limit, of those with fresh trials where there are any."""
    if stand.known is None:
        return None
    mean = stand.known[0].mean
    kept = [number for number in stand.running if stand.limits[number] is Limit.KEPT and stand.looks_at(number)]
    most = max((len(stand.fresh_at(number)) for number in kept), default=0)
    confirmed = [number for number in kept if len(stand.fresh_at(number)) >= min(most, 1)]
    return max(confirmed, key=lambda number: mean[number], default=None)


def _smaller(stand: Stand, levels: PointSpeeds, found: Chances, best: int) -> Alternative | None:
    """The smallest setting that the data cannot distinguish from the best, at its best load level."""
    by_setting = _best_by_setting(stand, levels)
    for setting in sorted(by_setting):
        if setting >= stand.candidates[best].setting:
            return None
        other = by_setting[setting]
        low, middle, high = np.quantile(found.gain(best, other), (TAIL, 0.5, 1.0 - TAIL))
        if high >= 0.0 and -math.expm1(middle) <= TIED_COST:
            return Alternative(other, cost=-math.expm1(middle), low=-math.expm1(high), high=-math.expm1(low))
    return None


def _best_by_setting(stand: Stand, levels: PointSpeeds) -> dict[int, int]:
    """For each setting its best point that keeps the limit."""
    best: dict[int, int] = {}
    for number in sorted(stand.running, key=lambda number: levels.mean[number]):
        if stand.limits[number] is Limit.KEPT and stand.looks_at(number):
            best[stand.candidates[number].setting] = number
    return best


def _baseline(stand: Stand, levels: PointSpeeds, best: int) -> int | None:
    first = stand.candidates[0].setting
    return None if first == stand.candidates[best].setting else _best_by_setting(stand, levels).get(first)


def _speedup(found: Chances, best: int, baseline: int) -> Interval:
    low, middle, high = np.exp(np.quantile(found.gain(baseline, best), (TAIL, 0.5, 1.0 - TAIL)))
    return Interval(float(middle), float(low), float(high))


def _open_points(stand: Stand, best: int | None) -> tuple[Open, ...]:
    """The points that may be better than `best` and could not be measured well, or may or may not keep the limit."""
    found = []
    for number in stand.running:
        harmed, looks = stand.harmed.count(number), stand.looks_at(number)
        badly = looks == 0 or harmed > looks or stand.limits[number] is Limit.NOT_YET
        if number == best or not badly:
            continue
        up_to = None
        if best is not None and stand.known is not None:
            gain = stand.known[1].gain(best, number)
            if gain.size == 0 or (gain > 0.0).mean() < MAY_BE_BETTER:
                continue
            up_to = math.expm1(float(np.quantile(gain, 1.0 - TAIL))) if looks else None
        found.append(Open(number, harmed, stand.limits[number], up_to))
    return tuple(found)


def _more_s(stand: Stand, best: int | None) -> float:
    """About how many more seconds a decision takes."""
    open_points = _open_points(stand, best)
    seconds = stand.trial_s * sum(1 + stand.looks_at(point.point) for point in open_points)
    if best is None or not stand.fresh_at(best):
        seconds += CONFIRMING_TRIALS * stand.trial_s
    if stand.known is not None:
        seconds += stand.spent_s * (_times_as_long(stand, stand.known[0]) - 1.0)
    return max(seconds, stand.trial_s)


def _times_as_long(stand: Stand, levels: PointSpeeds) -> int:
    """How many times the trials so far it takes until the point that seems best can be named, if it keeps the limit."""
    out = np.isin(np.arange(len(stand.candidates)), list(stand.failed))
    limits = [Limit.MISSED if limit is Limit.MISSED else Limit.KEPT for limit in stand.limits]
    likely = max(stand.running, key=lambda number: levels.mean[number])
    for times in TIMES_AS_LONG:
        draws = level_draws(stand.looks * times, len(stand.candidates), seed=0)
        if chances(draws, limits, out, seed=0).certainty(likely, WITHIN_5) >= CERTAIN_ENOUGH:
            return times
    return TIMES_AS_LONG[-1]
