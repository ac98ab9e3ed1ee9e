"""The summary of a point: its numbers over all its trials, whose rows are pooled; percentiles are never averaged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.judge.checks import counted_trials, judge_point
from harness.judge.findings import Verdict
from harness.judge.metrics import PointMetrics
from harness.judge.numbers.accuracy import accuracy
from harness.judge.numbers.class_metrics import (
    ClassSample,
    added,
    meets_each,
    only_class,
    pooled_classes,
    pooled_servers,
)
from harness.judge.numbers.latency import pooled_latency
from harness.judge.numbers.noise_by_kind import THROUGHPUT, noise_by_kind
from harness.judge.numbers.resource_usage import mean_usage
from harness.judge.numbers.response_spreads import response_spread
from harness.judge.numbers.server_figures import pooled_figures
from harness.judge.numbers.throughput import pooled_goodput
from harness.judge.numbers.time_split import pooled_split, pooled_steps, weighted
from harness.judge.numbers.token_latency import pooled_streams
from harness.judge.slo_check import SloRows, goodput_limit_ns, meets_slo, seconds_to_decide
from harness.judge.stats.trial_noise import pooled_rate
from harness.judge.trial_summary import DECIDED
from harness.plan.arrivals import Closed, kind_of
from harness.plan.slo import STREAM_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from harness.judge.interval import Interval
    from harness.judge.numbers.noise_by_kind import NoiseByKind
    from harness.judge.stats.durations import Durations
    from harness.judge.trial_summary import TrialSummary
    from harness.plan.plan import Point
    from harness.plan.slo import Slo


def noise_of(points: Iterable[Sequence[TrialSummary]]) -> NoiseByKind:
    """What the repeats of all `points` say of how much one trial differs from the next."""
    return noise_by_kind([[summary.log_means for summary in _counted(summaries)] for summaries in points])


def _counted(summaries: Sequence[TrialSummary]) -> list[TrialSummary]:
    """The repeats by which their point is judged."""
    counted = counted_trials([summary.metrics for summary in summaries])
    return [summary for summary in summaries if summary.metrics in counted]


def summarise_point(
    point: Point, summaries: Sequence[TrialSummary], slo: Slo | None, noises: NoiseByKind | None = None
) -> PointMetrics:
    """The numbers of one point over its repeats (at least one): rows are pooled, never percentiles averaged.

    `noises` is what trials of the sweep differ by; without it, what the repeats of this point alone say.
    """
    noises = noises or noise_of([summaries])
    names = list(dict.fromkeys(name for summary in summaries for name in summary.class_names))
    if slo and len(names) == 1:
        slo = slo.of_class(names[0])
    trials = tuple(summary.metrics for summary in summaries)
    counted = counted_trials(trials)
    measured = [summary for summary in _counted(summaries) if summary.durations]
    metrics = PointMetrics(
        point=point.number,
        setting=point.setting,
        arrivals=kind_of(point.arrivals),
        concurrency=point.arrivals.users if isinstance(point.arrivals, Closed) else None,
        rate_target_rps=getattr(point.arrivals, "rate_rps", None),
        repeats=len(counted),
        seconds=sum(trial.seconds for trial in counted),
        counts=added([trial.counts for trial in counted]),
        throughput_rps=pooled_rate([summary.rates_rps for summary in measured], noises.of(THROUGHPUT)),
        goodput_rps=_goodput(measured, slo, noises) if slo else None,
        response=pooled_latency(_of_kind(measured, "response"), noises.of("response")),
        service=pooled_latency(_of_kind(measured, "service"), noises.of("service")),
        lateness=pooled_latency(_of_kind(measured, "lateness"), noises.of("lateness")),
        split=pooled_split([summary.metrics for summary in measured]),
        steps=pooled_steps([summary.metrics for summary in measured]),
        accuracy=accuracy([summary.predictions for summary in measured]),
        usage=mean_usage([summary.metrics.usage for summary in measured]),
        mean_batch=weighted([(summary.metrics.mean_batch, summary.metrics.counts.ok) for summary in measured]),
        meets_slo=None,
        verdict=Verdict.VALID,  # until `judge_point` has judged
        findings=(),
        trials=trials,
        stream=pooled_streams([summary.stream for summary in measured if summary.stream], noises),
        server=pooled_figures([summary.metrics for summary in measured]),
        spread=response_spread(_of_kind(measured, "response"), [summary.timed for summary in measured]),
    )
    rows = SloRows({kind: _of_kind(measured, kind) for kind in DECIDED}, noises, metrics.concurrency)
    several = len(names) > 1 or any(summary.classes for summary in measured)
    by_trial = [_classes(summary, slo) for summary in measured] if several else []
    mixed = pooled_classes(by_trial, noises, metrics.concurrency)
    by_class = mixed and slo is not None and slo.of_classes
    met = meets_each(mixed) if by_class else meets_slo(metrics, slo, rows) if slo else None
    more_s = seconds_to_decide(metrics, slo, rows) if slo and met is None else None
    servers = pooled_servers([summary.servers for summary in measured], noises, metrics.concurrency)
    decided = msgspec.structs.replace(metrics, meets_slo=met, slo_more_seconds=more_s, servers=servers)
    verdict, findings = judge_point(decided)
    judged = msgspec.structs.replace(decided, verdict=verdict, findings=findings)
    one = measured and len(names) == 1
    return msgspec.structs.replace(judged, classes=(only_class(names[0], judged, slo),) if one else mixed)


def _classes(summary: TrialSummary, slo: Slo | None) -> tuple[ClassSample, ...]:
    """The classes of a repeat of which others have several: where it had only one, that is all of it."""
    if summary.classes or len(summary.class_names) != 1:
        return summary.classes
    return (
        ClassSample(
            name=summary.class_names[0],
            slo=slo.of_class(summary.class_names[0]) if slo else None,
            counts=summary.metrics.counts,
            response=summary.durations["response"],
            service=summary.durations["service"],
            rates_rps=summary.rates_rps,
            good_rates_rps=summary.good_rates_rps,
            stream=summary.stream,
            limits=(),
        ),
    )


def _of_kind(summaries: Sequence[TrialSummary], kind: str) -> list[Durations]:
    """One kind of duration of every repeat that has it."""
    if kind in STREAM_KINDS:
        return [getattr(summary.stream, kind) for summary in summaries if summary.stream]
    return [summary.durations[kind] for summary in summaries]


def _goodput(measured: Sequence[TrialSummary], slo: Slo, noises: NoiseByKind) -> Interval | None:
    good = [summary.good_rates_rps for summary in measured]
    return pooled_goodput(good, goodput_limit_ns(slo), _of_kind(measured, "response"), noises)
