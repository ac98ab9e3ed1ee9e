"""The summary of a trial: every number of one trial, computed from its rows.

Response times are those of good responses due in the measure phase, counted from when they were due. Requests that
timed out or were given up count with the time they had waited, as "at least". Errors and rejections have no place
in a latency distribution and are counted beside it. Throughput is good responses that came within the measured window.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from harness.judge.checks import TrialCase, judge_trial
from harness.judge.findings import Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Counts, Timeline, TimeSplit, TrialMetrics, Usage
from harness.judge.numbers.accuracy import NO_PREDICTIONS, accuracy, predictions
from harness.judge.numbers.class_metrics import (
    class_names,
    class_samples,
    counts_of,
    good_rates,
    server_samples,
)
from harness.judge.numbers.latency import NOTHING, pooled_latency
from harness.judge.numbers.limit_counts import limit_counts
from harness.judge.numbers.machine.usable_time import is_elsewhere, usable_time
from harness.judge.numbers.noise_by_kind import PRIOR_NOISE_BY_KIND, log_means
from harness.judge.numbers.resource_usage import usage
from harness.judge.numbers.response_spreads import timed_buckets
from harness.judge.numbers.sample_series import SampleSeries
from harness.judge.numbers.server_figures import server_figures, with_counted_waiting
from harness.judge.numbers.target.active_users import users_backing_off
from harness.judge.numbers.target.outages import outages_of, trial_availability
from harness.judge.numbers.throughput import NO_RATES
from harness.judge.numbers.time_split import (
    means_of,
    trial_batch,
    trial_split,
    trial_steps,
)
from harness.judge.numbers.timeline import timeline
from harness.judge.numbers.token_latency import pooled_streams, stream_sample
from harness.judge.numbers.trial_rows import lost_requests, trial_rows
from harness.judge.slo_check import allowed_failures
from harness.judge.stats.trial_noise import pooled_rate
from harness.plan.arrivals import Closed
from harness.plan.slo import STREAM_KINDS
from harness.record.load_report import ran_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from harness.judge.metrics import LimitCount
    from harness.judge.numbers.accuracy import Predictions
    from harness.judge.numbers.class_metrics import ClassSample
    from harness.judge.numbers.noise_by_kind import LogMeans
    from harness.judge.numbers.response_spreads import TimedBuckets
    from harness.judge.numbers.throughput import Rates
    from harness.judge.numbers.token_latency import StreamSample
    from harness.judge.numbers.trial_rows import TrialRows
    from harness.judge.stats.durations import Durations
    from harness.plan.plan import Plan, Trial
    from harness.plan.slo import Slo
    from harness.record.run_dir import RunDir
    from harness.record.trial_data import TrialData

MS_PER_S = 1e3
DURATIONS = ("response", "service", "lateness")
DECIDED = ("response", *STREAM_KINDS)  # what a bound of an objective can be about


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialSummary:
    """A trial's metrics, and the arrays that its point pools with those of the other repeats. It holds no rows."""

    point: int
    metrics: TrialMetrics
    log_means: LogMeans = field(default_factory=dict)
    durations: dict[str, Durations] = field(default_factory=dict)  # by DURATIONS; empty where nothing was measured
    rates_rps: Rates = field(default_factory=lambda: NO_RATES)
    good_rates_rps: Rates = field(default_factory=lambda: NO_RATES)
    predictions: Predictions = NO_PREDICTIONS
    class_names: tuple[str, ...] = ()
    classes: tuple[ClassSample, ...] = ()  # where there are several
    servers: tuple[ClassSample, ...] = ()  # likewise
    stream: StreamSample | None = None
    timed: TimedBuckets | None = None  # None where no good response came


def summarise_trial(data: TrialData, slo: Slo | None) -> TrialSummary:
    """The numbers of one trial, its verdict and its findings."""
    rows, samples = trial_rows(data), SampleSeries(data.samples)
    usable = usable_time(data, rows, samples) if rows else None
    samples = _of_the_run(data, samples)
    if rows and usable and usable.harmed_share and usable.enough:
        rows = replace(rows, usable=usable)
    summary = _summary(data, rows, samples, slo) if rows else _empty(data)
    served = trial_availability(rows, usable) if rows else None
    allowed = allowed_failures(slo) if slo else None
    waiting = _backing_off(data, rows, summary.metrics.counts) if rows else 0.0
    verdict, findings = judge_trial(TrialCase(data, rows, samples, summary.metrics, usable, served, allowed, waiting))
    metrics = msgspec.structs.replace(
        summary.metrics,
        verdict=verdict,
        findings=findings,
        usable_share=usable.usable_share if usable else 1.0,
        start_failure=data.start_failure,
        outages=outages_of(served) if served else (),
    )
    return replace(summary, metrics=metrics)


def _of_the_run(data: TrialData, samples: SampleSeries) -> SampleSeries:
    """Without those of a load process that only waited for others, and of a machine on which nothing of the run ran."""
    if not ran_elsewhere(data.reports):
        return samples
    return samples.without("load", *(["machine"] if is_elsewhere(data, samples) else []))


def _summary(data: TrialData, rows: TrialRows, samples: SampleSeries, slo: Slo | None) -> TrialSummary:
    stream = stream_sample(data, rows)
    rates_rps = rows.rates_rps()
    names = class_names(data)
    predicted = predictions(rows.due, names)
    classes = class_samples(data, rows, slo)
    if slo and len(names) == 1:
        slo = slo.of_class(names[0])
    response, throughput_rps = pooled_latency([rows.response]), pooled_rate([rates_rps])
    means = means_of(data.statistics, rows.window) if data.statistics else None
    statistics = with_counted_waiting(data.statistics, rows.everything)
    durations: dict[str, Durations] = {kind: getattr(rows, kind) for kind in DURATIONS}
    streamed = stream.durations if stream else {}
    counts = counts_of(rows.due, lost_requests(data.reports, rows.everything))
    metrics = TrialMetrics(
        trial=data.trial.number,
        repeat=data.trial.repeat,
        seconds=rows.window.seconds,
        counts=counts,
        throughput_rps=throughput_rps,
        response=response,
        service=pooled_latency([rows.service]),
        lateness=pooled_latency([rows.lateness]),
        split=trial_split(rows.good, means, stream.parts_ms if stream else None),
        steps=trial_steps(rows.good),
        accuracy=accuracy([predicted]),
        usage=usage(samples, rows.window),
        timeline=timeline(rows, samples, statistics),
        server=server_figures(statistics, rows.window),
        mean_batch=trial_batch(rows.good, means),
        limits=_limits(slo, classes, durations | streamed, counts) if slo else (),
        in_flight_mean=None if response.mean_ms is None else throughput_rps.value * response.mean_ms / MS_PER_S,
        stream=pooled_streams([stream] if stream else [], PRIOR_NOISE_BY_KIND),
        tolerance=max((each.tolerance for each in data.reports if each.tolerance), default=None),
        verdict=Verdict.VALID,  # until `judge_trial` has judged
        findings=(),
    )
    return TrialSummary(
        point=data.point.number,
        metrics=metrics,
        log_means=log_means(rates_rps, durations | streamed),
        durations=durations,
        rates_rps=rates_rps,
        good_rates_rps=good_rates(data, rows, slo),
        predictions=predicted,
        class_names=names,
        classes=classes,
        servers=server_samples(data, rows, slo),
        stream=stream,
        timed=timed_buckets(rows, data.trial.repeat),
    )


def _backing_off(data: TrialData, rows: TrialRows, counts: Counts) -> float:
    if not isinstance(data.point.arrivals, Closed) or not counts.rejected + counts.error:
        return 0.0
    return users_backing_off(rows.everything, rows.window)


def _limits(
    slo: Slo, classes: Sequence[ClassSample], durations: Mapping[str, Durations], counts: Counts
) -> tuple[LimitCount, ...]:
    """How many requests broke each bound: of all requests, or of each class."""
    if slo.of_classes and classes:
        return tuple(limit for each in classes for limit in each.limits)
    return tuple(limit_counts(slo, durations, counts))


def _empty(data: TrialData) -> TrialSummary:
    """The summary of a trial without a row in the measured window."""
    metrics = TrialMetrics(
        trial=data.trial.number,
        repeat=data.trial.repeat,
        seconds=0.0,
        counts=Counts(),
        throughput_rps=Interval(value=0.0),
        response=NOTHING,
        service=NOTHING,
        lateness=NOTHING,
        split=TimeSplit(send_ms=0.0),
        usage=Usage(),
        timeline=Timeline(bin_s=1.0, t_s=(), throughput_rps=(), p50_ms=(), p99_ms=()),
        mean_batch=None,
        in_flight_mean=None,
        verdict=Verdict.INVALID,  # until `judge_trial` has judged
        findings=(),
    )
    return TrialSummary(point=data.point.number, metrics=metrics)


class TrialSummaries:
    """The summaries of one run directory's trials, by number of the trial. They are in memory, the rows are not."""

    def __init__(self, run_dir: RunDir) -> None:
        self.run_dir = run_dir
        self._known: dict[int, TrialSummary] = {}

    def read(self, plan: Plan, trial: Trial) -> TrialSummary:
        """Read the trial's rows now and keep its summary in place of any earlier one: the trial has just ended."""
        summary = summarise_trial(self.run_dir.trial_data(plan, trial), plan.slo)
        self._known[trial.number] = summary
        return summary

    def of_point(self, plan: Plan, point_number: int) -> list[TrialSummary]:
        """Those of one point's trials that have begun; only rows that were never read are read."""
        return [self._of(plan, trial) for trial in self.run_dir.begun(plan, point_number)]

    def of_run(self, plan: Plan) -> Iterator[TrialSummary]:
        """Those of all trials that have begun."""
        return (self._of(plan, trial) for trial in self.run_dir.begun(plan))

    def _of(self, plan: Plan, trial: Trial) -> TrialSummary:
        return self._known.get(trial.number) or self.read(plan, trial)
