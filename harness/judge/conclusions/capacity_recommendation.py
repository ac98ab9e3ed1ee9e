"""The recommendation of a capacity run: the setting that sustains most within the limit, as an interval."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from harness.judge.capacity.capacities import PRECISION, capacity_of, nearest_point, usable
from harness.judge.conclusions.caveats import caveats
from harness.judge.conclusions.grid_recommendation import spoiled_by, why_all_invalid, why_none_meets
from harness.judge.number_text import figure, first_sentence, listed, percent, rounded_duration
from harness.judge.numbers.limit_counts import FAILED
from harness.judge.phrases import range_text, ratio_text
from harness.judge.run_result import Capacity, Recommendation
from harness.judge.slo_check import trusted
from harness.judge.stats.ratio_intervals import ratio_within
from harness.plan.knobs import setting_text
from harness.plan.plan import trial_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics
    from harness.judge.run_result import StreamLoad
    from harness.plan.knobs import Setting
    from harness.plan.plan import Plan

MOST_LISTED = 3


def capacities(plan: Plan, points: Sequence[PointMetrics], *, harmed: bool = False) -> tuple[Capacity, ...]:
    """The capacity of every setting, in the order of the plan (`harmed` as in `capacity_of`)."""
    settings = {tuple(point.setting.items()): point.setting for point in plan.points}
    groups = [[point for point in points if point.setting == setting] for setting in settings.values()]
    return tuple(
        _capacity(plan, setting, group, harmed=harmed) for setting, group in zip(settings.values(), groups, strict=True)
    )


def _capacity(plan: Plan, setting: Setting, own: Sequence[PointMetrics], *, harmed: bool) -> Capacity:
    """The capacity of one setting by all its points, those of the closed loop too."""
    rated = [point for point in own if point.rate_target_rps is not None]
    if rated:
        found = capacity_of(rated, plan.slo, trial_seconds(plan), harmed=harmed)
    else:
        found = Capacity(setting=setting, rate_rps=None, kept_rps=None, missed_rps=None, trials=0)
    return found if _sustained_rps(found) else msgspec.structs.replace(found, why_none=_why_none(plan, own, rated))


def _why_none(plan: Plan, own: Sequence[PointMetrics], rated: Sequence[PointMetrics]) -> str:
    """Why no rate is known that a setting sustains, from all its points and from those of rates."""
    trials = [trial for point in own for trial in point.trials]
    if not trials:
        return "not measured"
    if all(trial.start_failure for trial in trials):
        return f"could not be started: {first_sentence(str(trials[-1].start_failure)).rstrip('.')}"
    if not rated:
        return "no rate was tried yet" if any(point.counts.ok for point in own) else "no response was good"
    told = [point for point in rated if usable(point, plan.slo)]
    if not told:
        return f"INVALID at every rate: {spoiled_by(each for point in rated for each in point.findings)}"
    missed = all(point.meets_slo is False for point in told)
    return "misses the limit at every rate that was tried" if missed else "cannot be said yet"


def recommend_capacity(plan: Plan, points: Sequence[PointMetrics]) -> Recommendation:
    """The recommendation by all points of a run, of which at least one has a rate."""
    found = capacities(plan, points)
    rated = [point for point in points if point.rate_target_rps is not None]
    known = [each for each in found if _sustained_rps(each) > 0.0]
    if not known:
        told = [point for point in rated if trusted(point)]
        invalid = why_all_invalid(rated) or "No recommendation: no point got a good response."
        why = [why_none_meets(told, plan.slo)] if told else [invalid, *_all_the_same(plan, points)]
        return Recommendation(sentence=" ".join([*why, *_without(each for each in found if not each.trials)]))
    best, first = max(known, key=_sustained_rps), found[0]
    against = _ratio(best, first) if best is not first else None
    point = _nearest(best, rated)
    tied = [each for each in known if each is not best and not _surely_less(each, best)]
    return Recommendation(
        sentence=" ".join([*_sentences(plan, best, first, against, point), *_tied(tied), *_without(found)]),
        best_point=point.point,
        baseline_point=_nearest(first, rated).point if against else None,
        speedup=against,
        tied_points=tuple(_nearest(each, rated).point for each in tied),
        more_seconds=best.more_seconds,
    )


def _without(found: Iterable[Capacity]) -> Iterator[str]:
    """Which settings have no capacity that could be compared, each with the reason."""
    named = [f"{setting_text(each.setting)} ({each.why_none})" for each in found if each.why_none]
    more = len(named) - MOST_LISTED
    if named:
        shown = [*named[:MOST_LISTED], *([f"{more} more"] if more > 0 else [])]
        yield f"No capacity is known of {listed(shown)}."


def _all_the_same(plan: Plan, points: Sequence[PointMetrics]) -> Iterator[str]:
    """What the machine as it was sustained, where disturbances spoiled every trial."""
    known = [each for each in capacities(plan, points, harmed=True) if _sustained_rps(each) > 0.0]
    if known:
        best = max(known, key=_sustained_rps)
        name = setting_text(best.setting) or "the target"
        yield f"On the machine as it is, {name} sustains about {figure(_sustained_rps(best), 2)} req/s at {plan.slo}."


def _sustained_rps(each: Capacity) -> float:
    return each.rate_rps.value if each.rate_rps else each.kept_rps or 0.0


def _nearest(each: Capacity, points: Sequence[PointMetrics]) -> PointMetrics:
    """The point that shows the setting at its capacity."""
    own = [point for point in points if point.setting == each.setting and point.rate_target_rps is not None]
    return nearest_point(_sustained_rps(each), each.kept_rps, own)


def _ratio(best: Capacity, first: Capacity) -> Interval | None:
    """Capacity of the best over that of the first setting; None where one of both has an open end."""
    rates = (first.rate_rps, best.rate_rps)
    if rates[0] is None or rates[1] is None or not all(math.isfinite(rate.width) for rate in rates if rate):
        return None
    reach = math.hypot(*(math.log1p(rate.half_width) for rate in rates if rate))
    return ratio_within(rates[1].value / rates[0].value, reach)


def _surely_less(other: Capacity, best: Capacity) -> bool:
    """Whether a setting surely sustains less than the best."""
    ratio = _ratio(best, other)
    if ratio is not None and ratio.low is not None:
        return ratio.low > 1.0
    least_rps = best.rate_rps.ends[0] if best.rate_rps else _sustained_rps(best)
    return other.rate_rps is not None and other.rate_rps.ends[1] < least_rps


def _tied(tied: Sequence[Capacity]) -> Iterator[str]:
    """The settings that may do as well as the best."""
    if tied:
        yield f"{listed([setting_text(each.setting) for each in tied])} cannot be distinguished from it here."


def _sentences(
    plan: Plan, best: Capacity, first: Capacity, against: Interval | None, point: PointMetrics
) -> Iterator[str]:
    name = setting_text(best.setting) or "the target"
    other = setting_text(first.setting)
    ratio = f", {ratio_text(against)} {other}" if against else ""
    if best.rate_rps is None:
        least = f"at least {figure(_sustained_rps(best), 3)} req/s"
        yield f"At {plan.slo} {name} sustains {least}{ratio}: {_open_end(best)}."
        yield from _streams(best.streams)
        yield from _beyond(best)
        return
    yield f"At {plan.slo} {name} sustains {figure(best.rate_rps.value, 3)} req/s{_range(best.rate_rps)}{ratio}."
    yield from _streams(best.streams)
    yield from _bracket(best)
    yield from _beyond(best)
    yield from caveats(point)
    if best.more_seconds is not None:
        yield _precision(best.rate_rps, best.more_seconds)
    if best.holds_from_rps is not None:
        yield f"Rates below {figure(best.holds_from_rps, 3)} req/s miss the limit: there batches may wait to fill."


def _open_end(best: Capacity) -> str:
    """What is known above a rate that is kept, where there is no border."""
    if best.missed_rps is not None:
        return f"it surely does not sustain {figure(best.missed_rps, 3)} req/s"
    if best.unknown_rps is not None:
        return f"of {figure(best.unknown_rps, 3)} req/s and more nothing is known"
    return "no rate that was tried misses it"


def _precision(rate: Interval, more_seconds: float) -> str:
    """How well a capacity is known, and how long it takes to know it within `PRECISION`."""
    wanted, longer = percent(PRECISION), rounded_duration(more_seconds)
    if math.isfinite(rate.width):
        return f"It is known within {percent(rate.half_width)}; within {wanted} would take about {longer} more."
    return f"Within {wanted} it cannot be said yet: that would take at least {longer} more."


def _streams(load: StreamLoad | None) -> Iterator[str]:
    """The same rate in the units of a language model; nothing for other servers."""
    if load is None:
        return
    text = f"That is about {figure(load.tokens_per_s, 2)} output tokens/s"
    if load.users and load.tokens_per_s_of_user is not None:
        users, each = figure(load.users, 2), figure(load.tokens_per_s_of_user, 2)
        at = figure(load.measured_at_rps, 3)
        text += f"; at {at} req/s {users} users were served at a time, {each} tokens/s each"
    yield f"{text}."


def _beyond(best: Capacity) -> Iterator[str]:
    """A cliff beyond the capacity, and rates that hold again beyond some that do not."""
    if best.cliff is not None:
        cliff = best.cliff
        what = "failed" if cliff.bound.endswith(FAILED) else f"broke {cliff.bound}"
        less = f", and only {figure(cliff.answered_rps, 3)} req/s were answered" if cliff.answered_rps else ""
        share = figure(100 * cliff.share, 2)
        yield f"Beyond it is a cliff: at {figure(cliff.rate_rps, 3)} req/s {share}\u202f% of the requests {what}{less}."
    if best.held_again_rps is not None:
        missed, kept = (figure(rate, 3) for rate in best.held_again_rps)
        yield f"The server is not monotone: it surely misses the limit at {missed} req/s and keeps it at {kept} req/s."


def _range(rate: Interval) -> str:
    low, high = rate.ends
    if math.isfinite(rate.width):
        return range_text(rate, 3)
    known = f"at least {figure(low, 3)}" if math.isfinite(low) else f"at most {figure(high, 3)}"
    return f" ({known})" if math.isfinite(low) or math.isfinite(high) else " (by how much that is off is not known)"


def _bracket(best: Capacity) -> Iterator[str]:
    """Which rates are known by themselves to keep the limit, and to miss it."""
    sides = (("holds", best.kept_rps), ("does not", best.missed_rps))
    known = [f"surely {verb} at {figure(rate_rps, 3)} req/s" for verb, rate_rps in sides if rate_rps]
    if known:
        yield f"It {', and it '.join(known)}."
