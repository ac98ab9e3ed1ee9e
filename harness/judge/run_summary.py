"""The summary of a run: its points, its verdict and its recommendation, from its folder, whether new or old.

The recommendation's sentence is made by the module for the kind of plan (`_recommend`): for a budgeted sweep by
`conclusions/budgeted_recommendation.py`. Behind it come sentences on what lies beyond the values that were tried
(`conclusions/untried.py`), on accuracy against speed (`conclusions/accuracy_trade_off.py`) and, where the mix of
request classes is swept, one on how they slow each other down (`conclusions/class_interference.py`).
"""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean
from typing import TYPE_CHECKING

import msgspec

from harness.judge.checks import worst
from harness.judge.conclusions.accuracy_trade_off import accuracy_trade_off, trade_sentence
from harness.judge.conclusions.budgeted_recommendation import recommend_within_budget
from harness.judge.conclusions.capacity_recommendation import capacities, recommend_capacity
from harness.judge.conclusions.class_interference import with_class_interference
from harness.judge.conclusions.grid_recommendation import recommend_from_grid
from harness.judge.conclusions.paired_comparison import compare_variants
from harness.judge.conclusions.paired_sentences import comparison_sentences
from harness.judge.conclusions.precision import is_settled, with_precision
from harness.judge.conclusions.scaling import scaling
from harness.judge.conclusions.untried import untried_sentence
from harness.judge.findings import Verdict
from harness.judge.numbers.accuracy import shares
from harness.judge.numbers.class_metrics import with_slowdowns
from harness.judge.numbers.machine.unit_costs import unit_cost
from harness.judge.point_summary import noise_of, summarise_point
from harness.judge.run_result import Recommendation, RunResult
from harness.judge.simulation_result import read_simulation
from harness.judge.tuning.tuned_recommendation import recommend_tuned
from harness.judge.tuning.tuning_summary import tuning_summary
from harness.plan.plan import first_look_seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from harness.judge.findings import JudgedPoint
    from harness.judge.metrics import PointMetrics
    from harness.judge.paired_result import PairedComparison
    from harness.judge.run_result import BaseRecommendation
    from harness.judge.trial_summary import TrialSummaries, TrialSummary
    from harness.plan.plan import Plan
    from harness.record.model_card import ModelCard
    from harness.record.run_dir import RunRecord


def evaluate(record: RunRecord, summaries: TrialSummaries) -> RunResult:
    """The result of everything in the run's folder; what it lacks is named in `missing`."""
    spent_s = summaries.run_dir.spent_seconds(record.plan) if record.plan.budget_seconds is not None else {}
    result = summarise_run(record.plan, summaries.of_run(record.plan), record.model, spent_s)
    pieces_ms = record.model.piece_ms if record.model else ()
    return msgspec.structs.replace(
        result,
        models=record.models,
        scaling=scaling(record.plan, result.points, record.target_cores, pieces_ms),
        simulation=read_simulation(summaries.run_dir.path),
    )


def summarise_run(
    plan: Plan,
    summaries: Iterable[TrialSummary],
    model: ModelCard | None = None,
    spent_s: Mapping[int, float] | None = None,
) -> RunResult:
    """All points that were measured, the recommendation, and which trials are missing.

    spent_s: within a budget, what each trial took in all, by its number, as far as that is recorded.
    """
    by_point: dict[int, list[TrialSummary]] = defaultdict(list)
    for summary in summaries:
        by_point[summary.point].append(summary)
    measured = [point for point in plan.points if by_point[point.number]]
    # A point that is run until it is precise enough was judged by its own repeats each time, and is so now.
    noises = None if plan.precision else noise_of([by_point[point.number] for point in measured])
    pooled = [summarise_point(point, by_point[point.number], plan.slo, noises) for point in measured]
    points = with_precision(with_slowdowns(pooled), plan)
    costs = [unit_cost(point, plan.price_per_hour, in_process=plan.in_process) for point in points]
    points = tuple(msgspec.structs.replace(point, cost=cost) for point, cost in zip(points, costs, strict=True))
    # A capacity search starts with a closed-loop point. Exclude it: a closed loop cannot exceed capacity.
    tried = [point for point in points if point.rate_target_rps is not None] if plan.capacity else points
    compared = compare_variants(plan, [trial for point in points for trial in point.trials]) if plan.pairing else None
    asked = {number: shares([each.predictions for each in repeats]) for number, repeats in by_point.items()}
    found = _recommend(plan, points, compared, spent_s or {})
    trade = accuracy_trade_off(tried or points, plan.slo, asked)
    more = untried_sentence(plan, found.best_point), trade_sentence(trade, points, found.best_point, asked)
    found = msgspec.structs.replace(found, sentence=" ".join(filter(None, [found.sentence, *more])))
    found = with_class_interference(found, points)
    return RunResult(
        points=points,
        comparison=compared,
        capacities=capacities(plan, points) if plan.capacity and tried else (),
        recommendation=found,
        verdict=run_verdict(found, points),
        model=model,
        missing=tuple(_missing(plan, points)),
        trade_off=trade,
        tuning=tuning_summary(plan, points, found.best_point),
    )


def _recommend(
    plan: Plan, points: Sequence[PointMetrics], compared: PairedComparison | None, spent_s: Mapping[int, float]
) -> Recommendation:
    if compared is not None:
        sentence = " ".join(comparison_sentences(plan, compared))
        return Recommendation(sentence=sentence, more_seconds=compared.more_seconds)
    if plan.tune is not None:
        return recommend_tuned(plan, points, spent_s)
    if plan.capacity and any(point.rate_target_rps is not None for point in points):
        return recommend_capacity(plan, points)
    if plan.budget_seconds is None or not points:
        return recommend_from_grid(points, plan.slo)
    return recommend_within_budget(plan, points, _trial_s(plan, spent_s))


def _trial_s(plan: Plan, spent_s: Mapping[int, float]) -> float:
    """What a trial of a sweep takes in all: of those that were made, but for the first, which starts the target."""
    taken = [took_s for number, took_s in spent_s.items() if number]
    return fmean(taken) if taken else first_look_seconds(plan) / len(plan.points)


def run_verdict(found: BaseRecommendation, points: Sequence[JudgedPoint]) -> Verdict:
    """The verdict on the run's recommendation: the worst of the points that it rests on.

    A point left out as INVALID might have changed the recommendation, so the run is DEGRADED at best; a run without
    points, or with INVALID ones only, is INVALID.
    """
    by_number = {point.point: point.verdict for point in points}
    if all(verdict is Verdict.INVALID for verdict in by_number.values()):
        return Verdict.INVALID
    left_out = Verdict.DEGRADED if Verdict.INVALID in by_number.values() else Verdict.VALID
    named = [number for number in (found.best_point, found.baseline_point) if number is not None]
    stands_on = [by_number[number] for number in named or by_number]
    return worst([left_out, *(verdict for verdict in stands_on if verdict is not Verdict.INVALID)])


def _missing(plan: Plan, points: Sequence[PointMetrics]) -> Iterable[str]:
    done = {(metrics.point, trial.repeat) for metrics in points for trial in metrics.trials}
    settled = {metrics.point for metrics in points if is_settled(metrics, plan)}
    for trial in plan.trials:
        if trial.point not in settled and (trial.point, trial.repeat) not in done:
            yield f"{plan.point(trial.point).slug}, repeat {trial.repeat + 1}: not measured"
