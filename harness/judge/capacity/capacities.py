"""What is known of the capacity of each setting from the points of a capacity run."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.judge.capacity.beyond_capacity import find_cliff, held_again, stream_load
from harness.judge.capacity.border import RateTrial, find_border, upper_branch
from harness.judge.checks.point import counted_trials
from harness.judge.interval import Interval
from harness.judge.run_result import Capacity
from harness.judge.slo_check import surely_missed, trusted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judge.capacity.border import Border
    from harness.judge.metrics import PointMetrics
    from harness.plan.slo import Slo

LEAST_OPEN = 0.25  # as a share of the capacity: an end is open where no rate that was tried lies near it
PRECISION = 0.05  # half-width of the interval, as a share of the capacity, at which a search ends


def capacity_of(points: Sequence[PointMetrics], slo: Slo | None, trial_s: float, *, harmed: bool = False) -> Capacity:
    """The capacity of one setting by all its points in an open loop; `trial_s`: what a trial takes in all.

    harmed: by the trials that disturbances spoiled too; the capacity is then that of the machine as it was.
    """
    trials = rate_trials(points, slo, harmed=harmed)
    border = lowest_border(trials)
    every = [trial for own in trials.values() for trial in own]
    start = min((trial.rate_rps for own in trials.values() for trial in upper_branch(own)), default=0.0)
    rates = sorted(rate for point in points if (rate := point.rate_target_rps) is not None and rate >= start)
    by_rate = {point.rate_target_rps: point for point in points}
    missed = [rate for rate in rates if by_rate[rate].meets_slo is False and usable(by_rate[rate], slo)]
    kept = [rate for rate in rates if by_rate[rate].meets_slo and trusted(by_rate[rate])]
    kept_rps = max((rate for rate in kept if rate < min((m for m in missed if m > min(kept)), default=math.inf)),
                   default=None)  # fmt: skip
    missed_rps = min((rate for rate in missed if kept_rps is None or rate > kept_rps), default=None)
    unknown = [rate for rate in rates if not usable(by_rate[rate], slo) and rate > (kept_rps or 0.0)]
    rate_rps = None if border is None else bracketed(border.rate_rps, kept_rps, missed_rps)
    sustained_rps = rate_rps.value if rate_rps else kept_rps
    rated = [point for point in points if point.rate_target_rps]
    nearest = nearest_point(sustained_rps, kept_rps, rated) if sustained_rps else None
    return Capacity(
        setting=points[0].setting,
        held_again_rps=held_again(kept, missed),
        cliff=find_cliff(rate_rps.value, trials, rated) if rate_rps else None,
        streams=stream_load(sustained_rps, nearest) if sustained_rps and nearest else None,
        rate_rps=rate_rps,
        kept_rps=kept_rps,
        missed_rps=missed_rps,
        unknown_rps=min(unknown, default=None),
        holds_from_rps=start if every and start > min(trial.rate_rps for trial in every) else None,
        trials=sum(len(point.trials) for point in points),
        more_seconds=_more_seconds(rate_rps, trials, trial_s),
    )


def bracketed(border_rps: Interval, kept_rps: float | None, missed_rps: float | None) -> Interval | None:
    """The border, or what is known without a model where that says more: the rates that surely keep and miss the limit.

    None where a rate beyond the border is surely kept, and none surely missed: the capacity is at least that rate.

    At a cliff the shares of slow responses leap from none to nearly all, which no smooth curve follows: the border is
    then anywhere, with an end that is open, or beside the two rates.
    """
    low, high = border_rps.ends
    if kept_rps is None or missed_rps is None:
        most_rps = high if math.isfinite(high) else border_rps.value
        return None if missed_rps is None and kept_rps is not None and kept_rps > most_rps else border_rps
    if math.isfinite(border_rps.width) and kept_rps <= high and low <= missed_rps:
        return border_rps
    return Interval(math.sqrt(kept_rps * missed_rps), kept_rps, missed_rps)


def nearest_point(sustained_rps: float, kept_rps: float | None, points: Sequence[PointMetrics]) -> PointMetrics:
    """The point whose figures show a setting at its capacity: the highest rate that is known to be kept, if any."""
    wanted = kept_rps or sustained_rps
    return min(points, key=lambda point: abs((point.rate_target_rps or 0.0) - wanted))


def rate_trials(points: Sequence[PointMetrics], slo: Slo | None, *, harmed: bool = False) -> dict[str, list[RateTrial]]:
    """The trials that say something of the capacity (or all, with `harmed`), for each bound of the objective."""
    found: dict[str, list[RateTrial]] = {}
    for point in points:
        if point.rate_target_rps is None or not (harmed or usable(point, slo)):
            continue
        for trial in counted_trials(point.trials):
            for each in trial.limits:
                found.setdefault(each.bound, []).append(
                    RateTrial(point.rate_target_rps, each.broken, each.total, each.allowed, each.dependence)
                )
    return found


def usable(point: PointMetrics, slo: Slo | None) -> bool:
    """Whether the point tells of the target: it can be trusted, or it misses the limit whatever the generator did."""
    return trusted(point) or (slo is not None and surely_missed(point, slo))


def lowest_border(trials: Mapping[str, Sequence[RateTrial]]) -> Border | None:
    """The border of the bound that breaks first; None where no bound breaks, or one breaks at every rate."""
    borders = {bound: find_border(own) for bound, own in trials.items()}
    always = [own for bound, own in trials.items() if borders[bound] is None and own and _above(own)]
    found = [border for border in borders.values() if border is not None]
    return None if always or not found else min(found, key=lambda border: border.rate_rps.value)


def _above(trials: Sequence[RateTrial]) -> bool:
    return all(trial.above for trial in upper_branch(trials))


def _more_seconds(rate: Interval | None, trials: Mapping[str, Sequence[RateTrial]], trial_s: float) -> float | None:
    """The time in which the interval would become as narrow as `PRECISION`; None where it is, or nobody knows.

    An open end is taken to lie `LEAST_OPEN` away: it is at least that.
    """
    if rate is None or rate.half_width <= PRECISION:
        return None
    sides = [abs(end / rate.value - 1.0) for end in (rate.low, rate.high) if end is not None]
    half_width = max([*sides, LEAST_OPEN if len(sides) < 2 else 0.0])
    count = max(len(own) for own in trials.values())
    return float(count * trial_s * ((half_width / PRECISION) ** 2 - 1.0))
