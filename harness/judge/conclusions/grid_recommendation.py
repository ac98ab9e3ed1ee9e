"""Recommends a setting, in one sentence: the best of the points that pass the checks, and its gain."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.checks.harm import DISTURBANCES, HARMED
from harness.judge.checks.records import INTERRUPTED, NOT_STARTED
from harness.judge.conclusions.caveats import caveats, outages
from harness.judge.findings import Verdict
from harness.judge.number_text import figure, first_sentence, listed, milliseconds, rounded_duration
from harness.judge.phrases import capital, level_words, rate_text, ratio_text, users_text
from harness.judge.run_result import Recommendation
from harness.judge.significance import compare_rates
from harness.judge.slo_check import missed_by, trusted
from harness.plan.knobs import setting_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from harness.judge.findings import Finding, JudgedPoint
    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics, Quantile
    from harness.plan.slo import Slo

DISTURBED = "disturbances on the machine"


@dataclass(frozen=True, slots=True)
class _Choice:
    """The recommended point, what cannot be distinguished from it, and the baseline at its own best load."""

    best: PointMetrics
    tied: tuple[PointMetrics, ...]
    baseline: PointMetrics | None  # None: at no load does it meet the objective, or can it be trusted
    speedup: Interval | None


def recommend_from_grid(points: Sequence[PointMetrics], slo: Slo | None) -> Recommendation:
    """The recommendation over all `points`, in the order of the plan.

    Every setting competes at its best load: the point with the highest throughput among those that are not INVALID
    and meet `slo`. Of the settings that the data cannot distinguish from the best, the smallest is recommended. The
    baseline is the setting that was swept first, at its own best load under the same objective, or else at the best
    load for which the data cannot say whether it holds.
    """
    if not points:
        return Recommendation(sentence="No recommendation: nothing was measured.")
    usable = [point for point in points if trusted(point) and point.counts.ok]
    if not usable:
        why = why_all_invalid(points) or "No recommendation: no point got a good response."
        return Recommendation(sentence=" ".join([why, *outages(points)]))
    eligible = [point for point in usable if slo is None or point.meets_slo]
    if not eligible:
        return Recommendation(sentence=why_none_meets(usable, slo), more_seconds=_more_seconds(usable))
    possible = [point for point in usable if slo is None or point.meets_slo is not False]
    choice = _choose(points[0], eligible, possible)
    return Recommendation(
        sentence=" ".join(_sentences(choice, points, usable, slo)),
        best_point=choice.best.point,
        baseline_point=choice.baseline.point if choice.baseline else None,
        speedup=choice.speedup,
        tied_points=tuple(point.point for point in choice.tied),
    )


def _choose(first: PointMetrics, eligible: Sequence[PointMetrics], possible: Sequence[PointMetrics]) -> _Choice:
    contenders = _best_by_setting(eligible)
    fastest = max(contenders, key=lambda point: point.rate.value)
    equals = [
        point for point in contenders if point is fastest or not compare_rates(point.rate, fastest.rate).different
    ]
    best = min(equals, key=_smallness)
    baseline = _of_setting(first, contenders) or _of_setting(first, _best_by_setting(possible))
    return _Choice(
        best=best,
        tied=tuple(sorted((point for point in equals if point is not best), key=_smallness)),
        baseline=baseline,
        speedup=compare_rates(baseline.rate, best.rate).ratio if baseline and baseline is not best else None,
    )


def _best_by_setting(points: Sequence[PointMetrics]) -> list[PointMetrics]:
    best: dict[tuple[object, ...], PointMetrics] = {}
    for point in sorted(points, key=lambda point: point.rate.value):
        best[tuple(point.setting.items())] = point
    return list(best.values())


def _of_setting(first: PointMetrics, points: Sequence[PointMetrics]) -> PointMetrics | None:
    return next((point for point in points if point.setting == first.setting), None)


def _smallness(point: PointMetrics) -> tuple[tuple[float, ...], int]:
    """Smaller values first; values that are not numbers in the order they were swept."""
    numbers = tuple(float(value) for value in point.setting.values() if not isinstance(value, str))
    return numbers, point.point


def _sentences(
    choice: _Choice, points: Sequence[PointMetrics], usable: Sequence[PointMetrics], slo: Slo | None
) -> Iterable[str]:
    best = choice.best
    rate = f"{rate_text(best.rate, best.rate_unit)} {at_level(best)}".strip()
    tail = best.response.at(0.99)
    if slo is not None:
        yield f"At {slo} {_name(best)} sustains {rate}{_comparison(choice, points, slo)}."
    else:
        p99 = f" with a p99 of {_tail_text(tail)}" if tail and tail.value_ms is not None else ""
        yield f"{capital(_name(best))} gives the highest throughput: {rate}{p99}{_comparison(choice, points, slo)}."
    yield from stream_sentences(best)
    yield from caveats(best)
    asked_rps, missing = best.rate_target_rps or 0.0, _missing_rates(best, points)
    if too_little := max((rate for rate in missing if rate < asked_rps), default=None):
        yield f"A lower rate, {figure(too_little, 3)} req/s, misses the objective: there batches may wait to fill."
    if too_much := min((rate for rate in missing if rate > asked_rps), default=None):
        yield f"The next higher rate that was tried, {figure(too_much, 3)} req/s, misses the objective."
    if choice.tied:
        yield f"{capital(listed([_name(point) for point in choice.tied]))} cannot be distinguished from it here."
    uncertain = [
        point for point in usable if slo is not None and point.meets_slo is None and point.rate.value > best.rate.value
    ]
    if uncertain:
        names = listed(list(dict.fromkeys(_name(point) for point in uncertain)))
        yield f"{capital(names)} may do better: whether {slo} holds there {_cannot_be_said(uncertain)}."
    left_out = len(points) - len(usable)
    if left_out:
        yield f"{left_out} of {len(points)} points {'is' if left_out == 1 else 'are'} INVALID and left out."


def _tail_text(tail: Quantile) -> str:
    if tail.only_bound and tail.low_ms is not None:
        return f"at least {milliseconds(tail.low_ms)}"
    return milliseconds(tail.value_ms or 0.0)


def _missing_rates(best: PointMetrics, points: Sequence[PointMetrics]) -> list[float]:
    """The rates at which the setting of `best` broke the objective and can be trusted; none in a closed loop."""
    broken = [
        point for point in points if point.setting == best.setting and point.meets_slo is False and trusted(point)
    ]
    return [point.rate_target_rps for point in broken if point.rate_target_rps]


def _comparison(choice: _Choice, points: Sequence[PointMetrics], slo: Slo | None) -> str:
    first = points[0]
    if choice.best.setting == first.setting:
        return ""
    if choice.baseline is None or choice.speedup is None:
        tried = [point for point in points if point.setting == first.setting]
        missed = all(point.verdict is not Verdict.INVALID and point.meets_slo is False for point in tried)
        return f", which {_name(first)} does not meet at any load" if slo and missed else ""
    unsaid = slo is not None and choice.baseline.meets_slo is None
    doubt = ", for which not enough was measured to say whether it holds" if unsaid else ""
    return f", {ratio_text(choice.speedup)} {_name(first)}{doubt}"


def _name(point: PointMetrics) -> str:
    return setting_text(point.setting) or "the target"


def point_name(point: PointMetrics) -> str:
    """`batch_size=4 at 32 users`, or `the target at 480 req/s` in an open loop."""
    level = level_words(point.concurrency, point.rate_target_rps, "")
    return f"{_name(point)} at {level}" if level else _name(point)


def at_level(point: PointMetrics) -> str:
    """What follows a rate: `at 32 users`, or `of 480 requested` in an open loop."""
    if point.concurrency is not None:
        return f"at {users_text(point.concurrency)}"
    return f"of {figure(point.rate_target_rps, 3)} requested" if point.rate_target_rps is not None else ""


def stream_sentences(point: PointMetrics) -> Iterable[str]:
    """What a user of a language model gets at this point: tokens/s, time to first token, gaps; nothing for others."""
    stream = point.stream
    if stream is None or not stream.ttft.count or stream.tokens_per_s_of_stream is None:
        return
    tails = [
        f"{name} {kind.upper()} {milliseconds(found.value_ms)}"
        for kind, p, name in (("ttft", 0.9, "p90"), ("itl", 0.99, "p99"))
        if (found := getattr(stream, kind).at(p)) is not None and found.value_ms is not None
    ]
    each = f"Each stream gets {figure(stream.tokens_per_s_of_stream, 3)} tokens/s"
    yield f"{each}; {listed(tails)}." if tails else f"{each}."


def why_all_invalid(points: Sequence[JudgedPoint], what: str = "point") -> str:
    """Why no point can be recommended: the most frequent reason for INVALID; empty where no finding gives one."""
    cause = cause_of_invalid(points)
    if cause is None:
        return ""
    reason, count = cause
    if count == len(points) and all(map(_not_started, points)):
        return f"No recommendation: {reason[0].lower()}{reason[1:]}"
    share = f" {count} of {len(points)} for this reason:" if count < len(points) else ""
    every = f"every {what} is INVALID,{share}" if share else f"every {what} is INVALID:"
    return f"No recommendation: {every} {reason}"


def cause_of_invalid(points: Sequence[JudgedPoint]) -> tuple[str, int] | None:
    """The most frequent reason for INVALID with its remedy, and at how many points it is; None where there is none."""
    found = _most_frequent(points)
    return None if found is None else (_with_remedy(found[0]), found[1])


def _most_frequent(points: Sequence[JudgedPoint]) -> tuple[Finding, int] | None:
    """An example of the most frequent kind of finding that makes points INVALID, and at how many points it is."""
    reasons = [finding for point in points for finding in point.findings if finding.verdict is Verdict.INVALID]
    if not reasons:
        return None
    (kind, count), *_ = Counter(finding.kind for finding in reasons).most_common(1)
    return next(finding for finding in reasons if finding.kind == kind), count


def _with_remedy(finding: Finding) -> str:
    return f"{first_sentence(finding.text)} {finding.remedy}".rstrip()


def why_all_spoiled(points: Sequence[JudgedPoint]) -> str:
    """Why no point can be recommended, where all that were measured are INVALID: disturbances, or another cause.

    Points that could not be started are a matter of their own, unless there are no others.
    """
    started = [point for point in points if not _not_started(point)] or points
    cause = _most_frequent(started)
    if cause is None:
        return "No recommendation: no point got a good response."
    if cause[0].kind not in DISTURBANCES:
        return why_all_invalid(started)
    return f"No recommendation: disturbances on the machine spoiled every trial. {_with_remedy(cause[0])}"


def not_started(points: Sequence[PointMetrics]) -> Iterator[tuple[int, str]]:
    """The points that could not be started, each with the reason, where others could."""
    failed = [point for point in points if _not_started(point)]
    for point in failed if len(failed) < len(points) else ():
        reason = next(each for trial in point.trials for each in trial.findings if each.kind == NOT_STARTED.name)
        yield point.point, reason.text


def _not_started(point: JudgedPoint) -> Finding | None:
    return next((each for each in point.findings if each.kind == NOT_STARTED.name), None)


def spoiled_by(findings: Iterable[Finding]) -> str:
    """What made trials INVALID: `disturbances on the machine`, or the title of the most frequent finding."""
    grave = Counter((each.kind, each.title) for each in findings if each.verdict is Verdict.INVALID)
    (kind, title), _ = next(iter(grave.most_common(1)), ((HARMED.name, ""), 0))
    return DISTURBED if kind in DISTURBANCES else title[0].lower() + title[1:]


def why_none_meets(usable: Sequence[PointMetrics], slo: Slo | None) -> str:
    """The sentences where no point is known to keep the limit."""
    undecided = [point for point in usable if point.meets_slo is None]
    nearest = min(usable, key=_tail_ms)
    if undecided:
        which = "the target" if len(usable) == 1 else "any setting"
        text = f"No recommendation: whether {which} keeps {slo} {_cannot_be_said(undecided)}."
        return " ".join([text, *(caveats(nearest) if len(usable) == 1 else ())])
    text = f"No setting meets {slo} at any load that was tried"
    if _tail_ms(nearest) == math.inf:
        return f"{text}."
    broken = missed_by(nearest, slo) if slo else ""
    lowest = f"the lowest p99 is {milliseconds(_tail_ms(nearest))}, of {point_name(nearest)}{broken and f' ({broken})'}"
    return " ".join([f"{text}; {lowest}.", *caveats(nearest)])


def _tail_ms(point: PointMetrics) -> float:
    tail = point.response.at(0.99)
    return (tail and tail.value_ms) or math.inf


def _cannot_be_said(points: Sequence[PointMetrics]) -> str:
    """`cannot be said yet; about 30 seconds more would do`, with the point that takes least where there are several."""
    more_s = _more_seconds(points)
    if any(each.kind == INTERRUPTED.name for point in points for each in point.findings):
        return "cannot be said yet: the run was interrupted; go on with --resume"
    if more_s is None:
        return "cannot be said, and a longer measurement would hardly decide it"
    quickest = min(points, key=lambda point: point.slo_more_seconds or math.inf)
    where = f" of {point_name(quickest)}" if len(points) > 1 else ""
    return f"cannot be said yet; about {rounded_duration(more_s)} more{where} would do"


def _more_seconds(points: Sequence[PointMetrics]) -> float | None:
    """The seconds that would decide the limit at the point where it takes least; None where none would."""
    return min((point.slo_more_seconds for point in points if point.slo_more_seconds), default=None)
