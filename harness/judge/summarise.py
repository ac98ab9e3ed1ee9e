"""Where every number of a report is computed: evidence in, metrics out.

Response times are those of good answers due in the measure phase, counted from when they were due. Requests that
timed out or were given up count with the time they had waited, as "at least". Errors and rejections have no place
in a latency distribution and are counted beside it. Throughput is good answers that came within the measured window.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.judge.answers.accuracy_trade_off import accuracy_trade_off, trade_sentence
from harness.judge.answers.class_interference import with_class_interference
from harness.judge.answers.precision import is_settled, with_precision
from harness.judge.answers.race_recommendation import recommend_within_budget
from harness.judge.answers.recommendation import recommend
from harness.judge.checks import TrialCase, judge_point, judge_trial, worst
from harness.judge.checks.point import is_left_out
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Counts, PointMetrics, RunResult, Split, Timeline, TrialMetrics, Usage
from harness.judge.numbers.accuracy import accuracy, predictions, shares
from harness.judge.numbers.class_metrics import class_names, class_samples, only_class, pooled_classes, with_slowdowns
from harness.judge.numbers.latency import NOTHING, pooled_latency, trial_latency
from harness.judge.numbers.resource_usage import mean_usage, usage
from harness.judge.numbers.sample_series import Samples
from harness.judge.numbers.steps import pooled_steps, trial_steps
from harness.judge.numbers.throughput import NO_RATES, pooled_rate
from harness.judge.numbers.time_split import pooled_split, trial_batch, trial_split, weighted
from harness.judge.numbers.timeline import timeline
from harness.judge.numbers.token_latency import pooled_streams, rows_within_slo, stream_sample
from harness.judge.numbers.trial_rows import lost_requests, trial_rows
from harness.judge.slo_check import goodput_limit_ns, meets_slo
from harness.judge.stats.mean_intervals import batch_means_interval
from harness.plan.arrivals import Closed
from harness.record.rows import Outcome
from harness.record.server_statistics import means_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from harness.judge.metrics import ClassMetrics, Latency, ModelCard, Recommendation
    from harness.judge.numbers.class_metrics import ClassSample
    from harness.judge.numbers.throughput import Rates
    from harness.judge.numbers.token_latency import StreamSample
    from harness.judge.numbers.trial_rows import Durations, TrialRows
    from harness.plan.plan import Plan, Point
    from harness.plan.slo import Slo
    from harness.record.trial_data import TrialData

MS_PER_S = 1e3
DURATIONS = ("response", "service", "lateness")


@dataclass(frozen=True, slots=True)
class _Summary:
    """A trial's metrics, and what its point pools with the other repeats."""

    metrics: TrialMetrics
    durations: dict[str, Durations]  # "response", "service", "lateness"; empty where nothing was measured
    rates_rps: Rates
    good_rates_rps: Rates
    predictions: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    class_names: tuple[str, ...] = ()
    classes: tuple[ClassSample, ...] = ()  # where there are several
    stream: StreamSample | None = None


def summarise_trial(evidence: TrialData, slo: Slo | None) -> TrialMetrics:
    """The numbers of one trial and what they are worth."""
    return _summarise(evidence, slo).metrics


def summarise_point(point: Point, trials: Sequence[TrialData], slo: Slo | None) -> PointMetrics:
    """The numbers of one point over its repeats (at least one)."""
    return _combine(point, [_summarise(trial, slo) for trial in trials], slo)


def summarise_run(plan: Plan, evidence: Iterable[TrialData], model: ModelCard | None = None) -> RunResult:
    """All points that were measured, the answer to the question that the run asked, and what is missing."""
    by_point: dict[int, list[_Summary]] = defaultdict(list)
    for trial in evidence:
        by_point[trial.point.number].append(_summarise(trial, plan.slo))
    combined = (_combine(point, by_point[point.number], plan.slo) for point in plan.points if by_point[point.number])
    points = with_precision(with_slowdowns(combined), plan)
    # A search begins with a closed loop, which shows no capacity: it waits for the target.
    tried = [point for point in points if point.rate_target_rps is not None] if plan.capacity else points
    asked = {number: shares([each.predictions for each in summaries]) for number, summaries in by_point.items()}
    found = _recommend(plan, tried or points)
    trade = accuracy_trade_off(tried or points, plan.slo, asked)
    if said := trade_sentence(trade, points, found.best_point, asked):
        found = msgspec.structs.replace(found, sentence=f"{found.sentence} {said}")
    found = with_class_interference(found, points)
    return RunResult(
        points=points,
        recommendation=found,
        verdict=run_verdict(found, points),
        model=model,
        missing=tuple(_missing(plan, points)),
        trade_off=trade,
    )


def _recommend(plan: Plan, points: Sequence[PointMetrics]) -> Recommendation:
    if plan.budget_seconds is None or not points:
        return recommend(points, plan.slo)
    return recommend_within_budget(plan, points, plan.budget_seconds / max(len(plan.trials), 1))


def run_verdict(found: Recommendation, points: Sequence[PointMetrics]) -> Verdict:
    """What the run's answer is worth: that of the points it stands on.

    A point left out as INVALID might have changed the answer, so it costs the run its VALID; a run whose points are
    all INVALID, or that has none, gives no answer at all.
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


def _summarise(evidence: TrialData, slo: Slo | None) -> _Summary:
    trial = trial_rows(evidence)
    samples = Samples(evidence.samples)
    if trial is None:
        summary = _Summary(_nothing(evidence), {}, NO_RATES, NO_RATES)
    else:
        rates_rps = trial.rates_rps()
        kept = rows_within_slo(evidence, trial, slo) if slo else None
        good_rates_rps = trial.rates_rps(goodput_limit_ns(slo), kept) if slo else NO_RATES
        stream = stream_sample(evidence, trial)
        durations = {kind: getattr(trial, kind) for kind in DURATIONS}
        metrics = _metrics(evidence, trial, samples, rates_rps, stream)
        classes = class_samples(evidence, trial, slo)
        summary = _Summary(
            metrics,
            durations,
            rates_rps,
            good_rates_rps,
            predictions(trial.due),
            class_names(evidence),
            classes,
            stream,
        )
    verdict, findings = judge_trial(TrialCase(evidence, trial, samples, summary.metrics))
    metrics = msgspec.structs.replace(summary.metrics, verdict=verdict, findings=findings)
    return replace(summary, metrics=metrics)


def _metrics(
    evidence: TrialData, trial: TrialRows, samples: Samples, rates_rps: Rates, stream: StreamSample | None
) -> TrialMetrics:
    response = trial_latency(trial.response)
    throughput_rps = batch_means_interval(rates_rps)
    said = means_of(evidence.statistics, trial.window) if evidence.statistics else None
    return TrialMetrics(
        trial=evidence.trial.number,
        repeat=evidence.trial.repeat,
        seconds=trial.window.seconds,
        counts=_counts(evidence, trial),
        throughput_rps=throughput_rps,
        response=response,
        service=trial_latency(trial.service),
        lateness=trial_latency(trial.lateness),
        split=trial_split(trial.good, said, stream.parts_ms if stream else None),
        steps=trial_steps(trial.good),
        accuracy=accuracy([predictions(trial.due)]),
        usage=usage(samples, trial.window),
        timeline=timeline(trial, samples),
        mean_batch=trial_batch(trial.good, said),
        in_flight_mean=None if response.mean_ms is None else throughput_rps.value * response.mean_ms / MS_PER_S,
        stream=stream.metrics if stream else None,
        verdict=Verdict.VALID,
        findings=(),
    )


def _nothing(evidence: TrialData) -> TrialMetrics:
    """A trial of which no measured row is left."""
    return TrialMetrics(
        trial=evidence.trial.number,
        repeat=evidence.trial.repeat,
        seconds=0.0,
        counts=Counts(),
        throughput_rps=Interval(value=0.0),
        response=NOTHING,
        service=NOTHING,
        lateness=NOTHING,
        split=Split(send_ms=0.0),
        usage=Usage(),
        timeline=Timeline(bin_s=1.0, t_s=(), throughput_rps=(), p50_ms=(), p99_ms=()),
        mean_batch=None,
        in_flight_mean=None,
        verdict=Verdict.INVALID,
        findings=(),
    )


def _combine(point: Point, summaries: Sequence[_Summary], slo: Slo | None) -> PointMetrics:
    """The point's numbers from its repeats: rows are put together, never percentiles averaged.

    Repeats that are no measurement of the target are left out where others stand.
    """
    trials = tuple(summary.metrics for summary in summaries)
    used = [summary for summary in summaries if not is_left_out(summary.metrics)] or summaries
    runs = [summary for summary in used if summary.durations]
    counts = _added(summary.metrics.counts for summary in used)
    metrics = PointMetrics(
        point=point.number,
        setting=point.setting,
        arrivals=type(point.arrivals).__name__.lower(),
        concurrency=point.arrivals.users if isinstance(point.arrivals, Closed) else None,
        rate_target_rps=getattr(point.arrivals, "rate_rps", None),
        repeats=len(trials),
        seconds=sum(summary.metrics.seconds for summary in used),
        counts=counts,
        throughput_rps=pooled_rate([run.rates_rps for run in runs]),
        goodput_rps=pooled_rate([run.good_rates_rps for run in runs]) if slo else None,
        response=_pooled(runs, "response"),
        service=_pooled(runs, "service"),
        lateness=_pooled(runs, "lateness"),
        split=pooled_split([run.metrics for run in runs]),
        steps=pooled_steps([run.metrics for run in runs]),
        accuracy=accuracy([run.predictions for run in runs]),
        usage=mean_usage([run.metrics.usage for run in runs]),
        mean_batch=weighted([(run.metrics.mean_batch, run.metrics.counts.ok) for run in runs]),
        meets_slo=None,
        verdict=Verdict.VALID,
        findings=(),
        trials=trials,
        stream=pooled_streams([run.stream for run in runs if run.stream]),
    )
    verdict, findings = judge_point(metrics)
    met = meets_slo(metrics, slo) if slo else None
    judged = msgspec.structs.replace(metrics, meets_slo=met, verdict=verdict, findings=findings)
    return msgspec.structs.replace(judged, classes=_classes(judged, runs, slo))


def _classes(point: PointMetrics, runs: Sequence[_Summary], slo: Slo | None) -> tuple[ClassMetrics, ...]:
    mixed = pooled_classes([run.classes for run in runs if run.classes])
    if mixed or not runs or len(runs[0].class_names) != 1:
        return mixed
    return (only_class(runs[0].class_names[0], point, slo),)


def _pooled(runs: Sequence[_Summary], kind: str) -> Latency:
    return pooled_latency([run.durations[kind] for run in runs], [getattr(run.metrics, kind) for run in runs])


def _counts(evidence: TrialData, trial: TrialRows) -> Counts:
    """The requests due in the measure phase; `unknown` are those that a lost worker sent but left no row of."""
    found = np.bincount(trial.due["outcome"], minlength=len(Outcome))
    by_outcome = {outcome.name.lower(): int(found[outcome]) for outcome in Outcome}
    unknown = lost_requests(evidence.reports, trial.everything)
    sent = len(trial.due) - by_outcome["not_sent"] + unknown
    return Counts(
        **by_outcome,
        scheduled=sent + by_outcome["not_sent"],
        sent=sent,
        unknown=unknown,
        checked=int(trial.due["checked"].clip(min=0).sum()),
    )


def _added(counts: Iterable[Counts]) -> Counts:
    every = list(counts)
    return Counts(**{name: sum(getattr(each, name) for each in every) for name in Counts.__struct_fields__})
