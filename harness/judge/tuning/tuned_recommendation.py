"""The recommendation of a search, in sentences: the setting, what it brings over the default, how sure that is."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

from harness.judge.conclusions.budgeted_recommendation import nearness_text
from harness.judge.conclusions.caveats import caveats
from harness.judge.conclusions.fast_memory import fast_memory_sentence, with_fast_memory
from harness.judge.conclusions.grid_recommendation import DISTURBED, spoiled_by, why_all_spoiled, why_none_meets
from harness.judge.decision.decision import Status
from harness.judge.findings import Verdict
from harness.judge.number_text import certainty_text, figure
from harness.judge.phrases import capital, level_text, rate_text, ratio_text
from harness.judge.run_result import Recommendation
from harness.judge.slo_check import trusted
from harness.judge.tuning.final import Final
from harness.judge.tuning.observations import failure_of, final_outcome, keeps, objective_of, unit_of
from harness.judge.tuning.tuning_summary import changes_of
from harness.plan.knobs import setting_text
from harness.plan.plan import TrialKind, trial_overhead_seconds, trial_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.judge.decision.decision import Decision
    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics, TrialMetrics
    from harness.plan.plan import Plan

DEFAULT = "the default"
FINAL_TRIALS = 12  # of a final that has not begun


def recommend_tuned(
    plan: Plan, points: Sequence[PointMetrics], spent_s: Mapping[int, float] | None = None
) -> Recommendation:
    """The recommendation by the fresh trials of the final; before them it cannot be given.

    spent_s: what each trial took in all, by its number, as far as that is recorded.
    """
    spent_s = spent_s or {}
    final = final_of(plan, points, spent_s)
    another_s = FINAL_TRIALS * (fmean(spent_s.values()) if spent_s else trial_seconds(plan))
    if not final.history:
        could = any(point.counts.ok and keeps(plan, point) is not False for point in points)
        return Recommendation(sentence=_nothing_final(plan, points), more_seconds=another_s if could else None)
    decision, numbers = final.decision(), final.points
    tried = _tried_text(plan, points)
    usable = [point for point in points if point.counts.ok and trusted(point)]
    if decision.status is Status.NONE_KEEPS and usable:
        kept = [point for point in usable if keeps(plan, point) is not False]
        why = _finalists_missed(plan, kept) if kept else _none_keeps(plan, usable)
        return Recommendation(sentence=f"{why} {tried}", more_seconds=another_s if kept else None)
    if decision.best is None:
        return Recommendation(sentence=f"{_why_undecided(plan, final, points)} {tried}", more_seconds=decision.more_s)
    best = next(point for point in points if point.point == numbers[decision.best])
    rate = None if decision.figure is None else with_fast_memory(plan, best, decision.figure)
    said = decision.status is Status.NAMED
    default = 0 if numbers and not final.changes(numbers[0]) else None
    unconfirmed = _unconfirmed(plan, points, numbers, decision)
    sentences = [
        *_sentences(plan, best, decision, rate, numbers, default=default), *unconfirmed, tried, *caveats(best),
        *(fast_memory_sentence(rate, decision.figure) if rate and decision.figure else ()),
    ]  # fmt: skip
    tied = None if decision.smaller is None else numbers[decision.smaller.point]
    return Recommendation(
        sentence=" ".join(sentences),
        best_point=best.point if said else None,
        baseline_point=numbers[default] if said and default is not None and default != decision.best else None,
        tied_points=(tied,) if said and tied is not None else (),
        speedup=decision.speedup if said and default is not None else None,
        rate_rps=rate if said else None,
        certainty=decision.certainty,
        more_seconds=None if said else decision.more_s,
    )


def final_of(plan: Plan, points: Sequence[PointMetrics], spent_s: Mapping[int, float]) -> Final:
    """The final of a run, from its fresh trials that have begun."""
    final = Final(lambda point: len(changes_of(plan, plan.point(point).setting)), plan.seed)
    by_trial = {trial.trial: (point, trial) for point in points for trial in point.trials}
    for trial in plan.trials:
        if trial.kind is TrialKind.CONFIRM and trial.number in by_trial:
            point, metrics = by_trial[trial.number]
            seconds = trial.seconds or plan.seconds
            took_s = spent_s.get(trial.number, seconds + trial_overhead_seconds(plan))
            final.add(trial.point, trial.block, seconds, final_outcome(plan, point, metrics, took_s))
    return final


def _sentences(
    plan: Plan,
    best: PointMetrics,
    decision: Decision,
    published: Interval | None,
    numbers: Sequence[int],
    *,
    default: int | None,
) -> Iterator[str]:
    name = _name(plan, best.point)
    load = f"at {level_text(plan.point(best.point))}"
    if decision.status is not Status.NAMED:
        more = "" if decision.more_s is None else f": about {figure(decision.more_s)} s more would do"
        yield f"Not decided yet{more}."
    rate = "" if published is None else f" {rate_text(published, unit_of(plan))}"
    against = ""
    if default is not None and decision.speedup is not None:
        against = f", {ratio_text(decision.speedup)} the default"
    bounds = _bounds(plan)
    limit = f"At {bounds} " if bounds else ""
    verb = "sustains" if bounds else "gives"
    subject = f"{limit}{name} {verb}"
    yield f"{subject[0].upper()}{subject[1:]}{rate} {load}{against}."
    if len(numbers) > 1:
        sure = f"with {certainty_text(decision.certainty)} certainty"
        yield f"It is within 2\u202f% of the best of the {len(numbers)} that got fresh trials {sure}."
    if decision.smaller is not None:
        smaller = decision.smaller
        less = f"{capital(_name(plan, numbers[smaller.point]))} changes less and may do as well"
        if smaller.point == default:
            less = "Nothing is known to be better than the default, which may do as well"
        yield (
            f"{less}: it costs {figure(100 * smaller.cost)}\u202f% ({figure(100 * smaller.low)} to "
            f"{figure(100 * smaller.high)}\u202f%)."
        )


def _unconfirmed(
    plan: Plan, points: Sequence[PointMetrics], numbers: Sequence[int], decision: Decision
) -> Iterator[str]:
    """The setting whose trial in the search gave more than the published figure, where it got no fresh one."""
    confirmed = [plan.point(number).setting for number in numbers]
    others = [point for point in points if point.counts.ok and plan.point(point.point).setting not in confirmed]
    highest = max(
        (point for point in others if keeps(plan, point)),
        key=lambda point: objective_of(point, plan).value,
        default=None,
    )
    if highest is None or decision.figure is None:
        return
    rate = objective_of(highest, plan)
    if rate.value > decision.figure.value:
        name = _point_text(plan, highest.point)
        yield (
            f"{capital(name)} gave {figure(rate.value, 3)} {unit_of(plan)} in the search and got no fresh trial; "
            "a longer --budget confirms more settings."
        )


def _why_undecided(plan: Plan, final: Final, points: Sequence[PointMetrics]) -> str:
    """Why the final names no setting, and what it says all the same: disturbances hit all settings alike."""
    finals = [point for point in points if point.point in final.points]
    if not any(trial.verdict is Verdict.INVALID for point in finals for trial in point.trials):
        most = max(finals, key=lambda point: (keeps(plan, point) is not False, objective_of(point, plan).value))
        return (
            f"Not decided yet: whether any setting keeps {_bounds(plan)} cannot be said by so few responses; longer "
            f"trials (--seconds) have more. So far {_point_text(plan, most.point)} is ahead with "
            f"{figure(objective_of(most, plan).value, 3)} {unit_of(plan)}."
        )
    ranking = final.record().ranking()
    if ranking is None:
        return "No recommendation: no fresh trial brought a good response."
    ahead = _name(plan, final.points[ranking.best])
    sure = nearness_text(ranking) if len(final.points) > 1 else ""
    cause = spoiled_by(each for point in finals for trial in point.trials for each in trial.findings)
    why = f"{cause} spoiled the fresh trials" if cause == DISTURBED else f"the fresh trials are INVALID ({cause})"
    return (
        f"Not decided yet: {why}. On the machine as it is, "
        f"{ahead} is ahead with {figure(math.exp(ranking.log_value), 2)} {unit_of(plan)}{sure}."
    )


def _finalists_missed(plan: Plan, kept: Sequence[PointMetrics]) -> str:
    """Where no fresh trial kept all bounds: which point of the search did, of those that did or may have."""
    most = max(kept, key=lambda point: (keeps(plan, point) is True, objective_of(point, plan).value))
    bounds = _bounds(plan)
    what = f"kept {bounds}" if bounds else "had good responses"
    did = "did" if keeps(plan, most) else "may have"
    return (
        f"Not decided yet: no fresh trial {what}; {_point_text(plan, most.point)} {did} in the search, with "
        f"{figure(objective_of(most, plan).value, 3)} {unit_of(plan)}."
    )


def _none_keeps(plan: Plan, points: Sequence[PointMetrics]) -> str:
    """The sentences where every point breaks a bound."""
    if plan.slo and (not plan.tune or not plan.tune.keep or not any(point.meets_slo for point in points)):
        return why_none_meets(points, plan.slo)
    return f"No setting keeps {_bounds(plan)} at any load that was tried."


def _why_nothing(trials: Sequence[TrialMetrics]) -> str:
    """Why no trial has a good response: the last failed start, or where some did start, what was found in the first."""
    reasons = [reason for reason in map(failure_of, trials) if reason]
    if reasons and len(reasons) == len(trials):
        return f"none of the settings that were tried could be served: {reasons[-1].rstrip('.')}"
    served = [trial for trial in trials if failure_of(trial) is None]
    found = [each for trial in served for each in trial.findings if each.verdict is Verdict.INVALID]
    why = f". {found[0].text} {found[0].remedy}".rstrip(".") if found else ""
    return f"nothing was measured{why}"


def _nothing_final(plan: Plan, points: Sequence[PointMetrics]) -> str:
    """Why there is no recommendation, where the final has not begun."""
    tried, measured = _tried_text(plan, points), [point for point in points if point.counts.ok]
    if not measured:
        return f"No recommendation: {_why_nothing([trial for point in points for trial in point.trials])}. {tried}"
    trustworthy = [point for point in measured if trusted(point)]
    if not trustworthy:
        return f"{why_all_spoiled(measured)} {tried}"
    if all(keeps(plan, point) is False for point in trustworthy):
        return f"{_none_keeps(plan, trustworthy)} {tried}"
    best = max(measured, key=lambda point: bool(keeps(plan, point)) * objective_of(point, plan).value)
    ahead = _point_text(plan, best.point)
    return f"Not decided yet: there are no fresh trials. So far {ahead} is ahead. {tried}"


def _tried_text(plan: Plan, points: Sequence[PointMetrics]) -> str:
    tried = {tuple(point.setting.items()) for point in points}
    failed = {tuple(point.setting.items()) for point in points if any(map(failure_of, point.trials))}
    possible = plan.tune.settings if plan.tune else len(tried)
    could_not = f", {len(failed)} of which could not be served" if failed else ""
    return f"{len(tried)} of {possible} possible settings were tried{could_not}."


def _bounds(plan: Plan) -> str:
    """The SLO and the other bounds of the search."""
    return ", ".join([*([str(plan.slo)] if plan.slo else []), *map(str, plan.tune.keep if plan.tune else ())])


def _name(plan: Plan, point: int) -> str:
    return setting_text(changes_of(plan, plan.point(point).setting)) or DEFAULT


def _point_text(plan: Plan, point: int) -> str:
    return f"{_name(plan, point)} at {level_text(plan.point(point))}"
