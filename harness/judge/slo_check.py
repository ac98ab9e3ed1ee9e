"""Checks a point against its SLO: met, missed, or undecided where its intervals are too wide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.clock import NS_PER_MS
from harness.judge.checks.point import standing_trials
from harness.judge.findings import Verdict

if TYPE_CHECKING:
    from harness.judge.metrics import ClassMetrics, Counts, Latency, PointMetrics, StreamMetrics
    from harness.plan.slo import Bound, Slo

FEWEST_FOR_ALL = 0.9
MOST_FAILED = 0.01
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


def meets_slo(metrics: PointMetrics | ClassMetrics, slo: Slo) -> bool | None:
    """False where one bound is broken, True where all are kept, None where it cannot be said."""
    kept = [_keeps(bound, metrics) for bound in slo.bounds]
    if False in kept or _fails_too_often(metrics.counts, slo):
        return False
    return None if None in kept else True


def _fails_too_often(counts: Counts, slo: Slo) -> bool:
    """Whether more than 1 % of what was sent brought nothing good, where `slo` has no bound of its own for that."""
    bounded = any(bound.metric == "errors" for bound in slo.bounds)
    bad = counts.wrong + counts.error + counts.timeout + counts.rejected + counts.aborted
    return not bounded and bad > MOST_FAILED * counts.sent


def slow_share(metrics: PointMetrics | ClassMetrics, limit_ms: float) -> float:
    """The share of the time at which a user who came would have waited longer than the limit, or for nothing.

    Only outages count. Percentiles of a closed loop do not show them, since users who wait send nothing.
    """
    trials = standing_trials(getattr(metrics, "trials", ()))
    seconds = sum(trial.seconds for trial in trials)
    waits_s = [outage.end_s - outage.start_s for trial in trials for outage in trial.outages]
    ends = [outage.ended and outage.kind == "silent" for trial in trials for outage in trial.outages]
    slow_s = sum(max(0.0, wait_s - limit_ms / 1e3 * end) for wait_s, end in zip(waits_s, ends, strict=True))
    return slow_s / seconds if seconds else 0.0


def trusted(point: PointMetrics) -> bool:
    """Whether a recommendation may rest on a point: it is not INVALID, or its findings can only have harmed it.

    A generator that is late makes the response times of an open loop longer, never shorter, since they count from when
    requests were due: an objective that is kept all the same is kept.
    """
    if point.verdict is not Verdict.INVALID:
        return True
    grave = [finding for finding in point.findings if finding.verdict is Verdict.INVALID]
    return bool(point.meets_slo) and point.rate_target_rps is not None and all(each.lengthens for each in grave)


def surely_missed(point: PointMetrics, slo: Slo) -> bool:
    """Whether a bound on a percentile is broken by the service times alone, in which no generator's lateness is."""
    return any(
        _quantile_keeps(QUANTILES[bound.metric], bound.limit, point.service) is False
        for bound in slo.bounds
        if bound.metric in QUANTILES
    )


def goodput_limit_ns(slo: Slo) -> int | None:
    """The tightest bound of response times, which every good answer must keep; None where there is none."""
    limits_ms = [bound.limit for bound in slo.bounds if bound.metric != "errors" and "_" not in bound.metric]
    return round(min(limits_ms) * NS_PER_MS) if limits_ms else None


def failed_share(counts: Counts) -> float:
    """The share of scheduled requests that brought no good answer."""
    return counts.failed / counts.scheduled if counts.scheduled else 0.0


def _keeps(bound: Bound, metrics: PointMetrics | ClassMetrics) -> bool | None:
    if bound.metric == "errors":
        return failed_share(metrics.counts) <= bound.limit
    kind, _, statistic = bound.metric.rpartition("_")
    latency = _latency(kind, metrics)
    if latency is None:
        return None
    if not latency.count:
        return False if metrics.counts.scheduled else None
    if statistic in QUANTILES:
        if not kind and slow_share(metrics, bound.limit) > 1 - QUANTILES[statistic]:
            return False
        return _quantile_keeps(QUANTILES[statistic], bound.limit, latency)
    value_ms = latency.mean_ms if statistic == "mean" else latency.max_ms
    return None if value_ms is None else value_ms <= bound.limit


def _latency(kind: str, metrics: PointMetrics | ClassMetrics) -> Latency | None:
    """What a bound is about; None where answers were not streamed."""
    if not kind:
        return metrics.response
    stream: StreamMetrics | None = getattr(metrics, "stream", None)
    found: Latency | None = getattr(stream, kind, None)
    return found


def _quantile_keeps(p: float, limit_ms: float, latency: Latency) -> bool | None:
    """The whole interval on one side of the limit decides; an interval across it cannot.

    A percentile that is withheld counts as kept where every single request kept the limit, in a sample that can
    carry at least `FEWEST_FOR_ALL`.
    """
    quantile = latency.at(p)
    if quantile is None:
        return None
    if quantile.low_ms is not None and quantile.low_ms > limit_ms:
        return False
    if quantile.value_ms is None:
        smaller = latency.at(FEWEST_FOR_ALL)
        enough = smaller is not None and smaller.value_ms is not None and not quantile.at_least
        return True if enough and latency.max_ms is not None and latency.max_ms <= limit_ms else None
    if quantile.at_least and quantile.value_ms > limit_ms:
        return False
    return True if quantile.high_ms is not None and quantile.high_ms <= limit_ms else None


def worst_tail_ratio(metrics: PointMetrics, slo: Slo) -> float | None:
    """The greatest percentile / limit of the latency bounds; None where the sample cannot carry one of them."""
    ratios = []
    for bound in slo.bounds:
        if bound.metric in QUANTILES:
            quantile = metrics.response.at(QUANTILES[bound.metric])
            if quantile is None or quantile.value_ms is None:
                return None
            ratios.append(quantile.value_ms / bound.limit)
    return max(ratios, default=None)
