"""The recommendation of a budgeted sweep, in sentences: the best, what a smaller setting costs, how sure it is.

`judge/decision` decides by all trials, and this module only words it: `_named_sentences` where the best point is
decided, `_not_yet` where it is not. Sentences on the faults of the best point come from `caveats.py`. `summarise_run`
(`run_summary.py`) may add what accuracy costs and how classes of requests slow each other down.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from harness.judge.checks.point import NO_REPEAT_CHANGES, invalid_by
from harness.judge.conclusions.caveats import caveats
from harness.judge.conclusions.fast_memory import fast_memory_sentence, with_fast_memory
from harness.judge.conclusions.grid_recommendation import (
    DISTURBED,
    at_level,
    not_started,
    point_name,
    spoiled_by,
    stream_sentences,
    why_all_invalid,
    why_all_spoiled,
    why_none_meets,
)
from harness.judge.decision.chances import Limit
from harness.judge.decision.decision import Status
from harness.judge.decision.history_of_plan import trial_history
from harness.judge.decision.trial_history import RANKED_TRIALS
from harness.judge.findings import Verdict
from harness.judge.number_text import certainty_text, figure, milliseconds, percent, rounded_duration
from harness.judge.phrases import capital, level_text, rate_text, ratio_text
from harness.judge.run_result import Recommendation
from harness.judge.slo_check import trusted
from harness.plan.knobs import setting_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from harness.judge.decision.decision import Decision
    from harness.judge.decision.trial_history import Ranking, TrialHistory
    from harness.judge.findings import Finding
    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics
    from harness.plan.knobs import Setting
    from harness.plan.plan import Plan, Point

MOST_LISTED = 3
TWO_FIGURES = 0.02  # the published rate and that in the tables differ by more
NOTHING_GOOD = "No recommendation: no point got a good response."


def recommend_within_budget(plan: Plan, points: Sequence[PointMetrics], trial_s: float) -> Recommendation:
    """The recommendation over the points that were measured; `trial_s`: what a trial takes in all."""
    record = trial_history(plan, points, trial_s)
    decision = record.decision()
    by_number = {point.point: point for point in points}
    if decision.status is Status.NONE_KEEPS:
        usable = [point for point in points if trusted(point) and point.counts.ok]
        return Recommendation(
            sentence=why_none_meets(usable, plan.slo) if usable else why_all_invalid(points) or NOTHING_GOOD
        )
    best = None if decision.best is None else by_number[decision.best]
    rate = None if best is None or decision.figure is None else with_fast_memory(plan, best, decision.figure)
    named = decision.status is Status.NAMED
    cause = _no_question_of_time(by_number[each.point] for each in decision.open_points if each.point in by_number)
    if best is None:
        sentences = _none_ahead(plan, record, decision, points)
    else:
        sentences = _named_sentences(plan, decision, best, rate) if named else _not_yet(decision, best, cause)
        sentences = itertools.chain(sentences, _may_be_better(plan, decision, by_number))
    return Recommendation(
        sentence=" ".join(sentences),
        best_point=decision.best if named else None,
        baseline_point=decision.baseline if named else None,
        speedup=decision.speedup if named else None,
        tied_points=(decision.smaller.point,) if named and decision.smaller else (),
        rate_rps=rate if named else None,
        goodput_rps=_goodput(rate, best) if named else None,
        certainty=decision.certainty if decision.best is not None else None,
        open_points=tuple(each.point for each in decision.open_points),
        more_seconds=None if cause or (best is None and _all_invalid(points)) else decision.more_s,
    )


def _no_question_of_time(points: Iterable[PointMetrics]) -> Finding | None:
    """What makes one of these points INVALID, and would make it so in every further trial."""
    invalid = (each for point in points if point.verdict is Verdict.INVALID for each in point.findings)
    return invalid_by(invalid, NO_REPEAT_CHANGES)


def _goodput(rate: Interval | None, best: PointMetrics | None) -> Interval | None:
    """Responses/s within the objective: the published rate times those for each of its units, as of output tokens."""
    if best is None or rate is None or best.goodput_rps is None or not best.rate.value:
        return None
    return rate.times(best.goodput_rps.value / best.rate.value)


def _named_sentences(plan: Plan, decision: Decision, best: PointMetrics, published: Interval | None) -> Iterator[str]:
    if decision.figure is None or published is None:
        return
    rate = f"{rate_text(published, best.rate_unit)} {at_level(best)}".strip()
    against = _speedup(plan, decision)
    if plan.slo is not None:
        yield f"At {plan.slo} {_name(best.setting)} sustains {rate}{against}."
    else:
        tail = best.response.at(0.99)
        p99 = f" with a p99 of {milliseconds(tail.value_ms)}" if tail and tail.value_ms is not None else ""
        yield f"{capital(_name(best.setting))} gives the highest throughput: {rate}{p99}{against}."
    if abs(best.rate.value / decision.figure.value - 1.0) > TWO_FIGURES:
        yield f"That is of its fresh trials; over all of its trials it is {figure(best.rate.value, 3)}."
    yield from stream_sentences(best)
    yield from caveats(best)
    yield from fast_memory_sentence(published, decision.figure)
    if len(plan.points) > 1:
        yield f"It is within 2\u202f% of the best with {certainty_text(decision.certainty)} certainty."
    if decision.smaller is not None:
        smaller, other = decision.smaller, plan.point(decision.smaller.point)
        yield (
            f"{_name(other.setting)} may do as well: it costs {figure(100 * smaller.cost)}\u202f% "
            f"({figure(100 * smaller.low)} to {figure(100 * smaller.high)}\u202f%)."
        )


def _not_yet(decision: Decision, best: PointMetrics, cause: Finding | None) -> Iterator[str]:
    if cause is None:
        yield _not_decided(decision)
    else:
        yield f"Not decided, and more of the same would not decide it: {cause.text} {cause.remedy}"
    rate = f" with {rate_text(decision.figure, best.rate_unit)}" if decision.figure else ""
    yield (
        f"{capital(point_name(best))} is ahead{rate}; it is within 2\u202f% of the best with "
        f"{certainty_text(decision.certainty)} certainty."
    )


def _none_ahead(plan: Plan, record: TrialHistory, decision: Decision, points: Sequence[PointMetrics]) -> Iterator[str]:
    """Where no point is known to keep the limit: for want of trials, or since none could be used."""
    if _all_invalid(points):
        yield why_all_spoiled(points)
        for number, why in not_started(points):
            yield f"{capital(_point_text(plan.point(number)))}: {why}"
        yield from _ahead_all_the_same(plan, record.ranking(), points)
        return
    yield _not_decided(decision)
    spoiled = sum(each.harmed > 0 and each.up_to is None for each in decision.open_points)
    yield f"No point is known to keep {plan.slo}." if plan.slo else "No point could be measured well."
    if spoiled:
        cause = spoiled_by(each for point in points for trial in point.trials for each in trial.findings)
        yield _spoiled(cause, f"the trials of {spoiled} of {len(plan.points)} points", capitals=True) + "."


def _ahead_all_the_same(plan: Plan, ranking: Ranking | None, points: Sequence[PointMetrics]) -> Iterator[str]:
    """The order of the settings, which disturbances that hit all alike do not change; the rate is as in the tables."""
    if ranking is None:
        return
    best = next(point for point in points if point.point == ranking.best)
    point, rate = plan.point(ranking.best), f"{figure(best.rate.value, 3)} {plan.rate_unit}"
    if plan.slo and not ranking.keeps_limit:
        tail = best.response.at(0.99)
        p99 = f", with a p99 of {milliseconds(tail.value_ms)}" if tail and tail.value_ms else ""
        yield (
            f"On the machine as it is, no point is known to keep {plan.slo}; {_point_text(point)} has the highest "
            f"rate, {rate}{p99}."
        )
        return
    also = f" and keeps {plan.slo}" if plan.slo else ""
    yield f"On the machine as it is, {_point_text(point)} is ahead with {rate}{also}{nearness_text(ranking)}."


def nearness_text(ranking: Ranking) -> str:
    """How sure the order of settings is that disturbances hit all alike."""
    if ranking.near is None:
        return f"; how sure that is cannot be said by fewer than {RANKED_TRIALS} trials of a point"
    return f"; there it is within 5\u202f% of the best with {certainty_text(ranking.near)} certainty"


def _all_invalid(points: Sequence[PointMetrics]) -> bool:
    return all(point.verdict is Verdict.INVALID for point in points)


def _not_decided(decision: Decision) -> str:
    more = "" if decision.more_s is None else f": about {rounded_duration(decision.more_s)} more would do"
    return f"Not decided yet{more}."


def _spoiled(cause: str, what: str, *, capitals: bool = False) -> str:
    """`disturbances on the machine spoiled 6 trials`, or `6 trials are INVALID (responses were wrong)`."""
    text = f"{cause} spoiled {what}" if cause == DISTURBED else f"{what} are INVALID ({cause})"
    return text[0].upper() + text[1:] if capitals else text


def _may_be_better(plan: Plan, decision: Decision, points: Mapping[int, PointMetrics]) -> Iterator[str]:
    """The points that may be better, and why they are not known better."""
    shown = sorted(decision.open_points, key=lambda each: each.up_to is not None and -each.up_to)[:MOST_LISTED]
    for each in shown:
        by = "" if each.up_to is None else f" by up to {percent(each.up_to)}"
        if each.limit is Limit.NOT_YET and each.up_to is not None:
            why = f"not enough was measured to say whether it keeps {plan.slo}"
        elif each.harmed:
            cause = spoiled_by(found for trial in points[each.point].trials for found in trial.findings)
            why = _spoiled(cause, f"{each.harmed} of its trials")
        else:
            why = "it was not measured"
        yield f"{capital(_point_text(plan.point(each.point)))} may be better{by}: {why}."
    more = len(decision.open_points) - len(shown)
    if more:
        yield f"So may {more} more point{'' if more == 1 else 's'}."


def _speedup(plan: Plan, decision: Decision) -> str:
    if decision.speedup is None or decision.baseline is None:
        return ""
    first = _name(plan.point(decision.baseline).setting)
    return f", {ratio_text(decision.speedup)} {first}"


def _name(setting: Setting) -> str:
    return setting_text(setting) or "the target"


def _point_text(point: Point) -> str:
    return f"{_name(point.setting)} at {level_text(point)}"
