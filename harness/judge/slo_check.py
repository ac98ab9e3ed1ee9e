"""Checks a point against its SLO: met, missed, or undecided where its intervals are too wide."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.clock import NS_PER_MS
from harness.judge.checks.arrivals import ARRIVAL_PROCESS, RATE
from harness.judge.checks.generator import LATENESS, NOT_SENT
from harness.judge.checks.point import counted_trials
from harness.judge.findings import Verdict
from harness.judge.number_text import percent
from harness.judge.stats.limit_decision import (
    LimitDecision,
    clopper_pearson_lower,
    clopper_pearson_upper,
    decide_limit,
    times_as_long,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.judge.metrics import ClassMetrics, Counts, Latency, PointMetrics, StreamMetrics
    from harness.judge.numbers.noise_by_kind import NoiseByKind
    from harness.judge.stats.durations import Durations
    from harness.judge.stats.trial_noise import TrialNoise
    from harness.plan.slo import Bound, Slo

MOST_FAILED = 0.01
ONE_SIDED = 0.975  # confidence of each side of a share of failures
MOST_TIMES_AS_LONG = 32  # as such trials, to decide a share of failures
LATE_SENDING = {kind.name for kind in (LATENESS, NOT_SENT, RATE, ARRIVAL_PROCESS)}
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99.9": 0.999}


@dataclass(frozen=True, slots=True)
class SloRows:
    """The rows that bounds on percentiles are decided by: of each repeat of a point, by the kind of duration."""

    durations: Mapping[str, Sequence[Durations]]  # "response", "ttft", "itl", "tpot"
    noises: NoiseByKind
    users: int | None  # who share the closed loop; None for an open one

    def decide(self, kind: str, p: float, limit_ms: float) -> bool | None:
        """Whether the `p`-quantile of a kind of duration is below the limit; None where that is undecided."""
        return _KEPT[decide_limit(*self._question(kind, p, limit_ms)).decision]

    def any_open(self, kind: str) -> bool:
        """Whether a request was still open at the end of a trial, so that it took longer than its row says."""
        return any(trial.any_open for trial in self.durations.get(kind, ()))

    def times_as_long(self, kind: str, p: float, limit_ms: float) -> float | None:
        """How many times as many such trials would decide that; None: too many."""
        return times_as_long(*self._question(kind, p, limit_ms))

    def _question(
        self, kind: str, p: float, limit_ms: float
    ) -> tuple[Sequence[Durations], float, float, int | None, TrialNoise]:
        return self.durations.get(kind, ()), limit_ms * NS_PER_MS, 1.0 - p, self.users, self.noises.of(kind)


_KEPT = {LimitDecision.KEPT: True, LimitDecision.MISSED: False, LimitDecision.NOT_YET: None}


def meets_slo(metrics: PointMetrics | ClassMetrics, slo: Slo, rows: SloRows) -> bool | None:
    """False where one bound is broken, True where all are kept, None where that is undecided."""
    kept = [_keeps(bound, metrics, rows) for bound in slo.bounds]
    if False in kept or _fails_too_often(metrics.counts, slo):
        return False
    return None if None in kept else True


def seconds_to_decide(metrics: PointMetrics, slo: Slo, rows: SloRows) -> float | None:
    """About how many more seconds of such trials would decide the bounds that `meets_slo` leaves undecided.

    None where no reasonable time would, though there are samples enough for an interval of the p99.
    """
    undecided = [bound for bound in slo.of_all if _keeps(bound, metrics, rows) is None]
    times = [_times_as_long(bound, metrics, rows) for bound in undecided]
    found = [each for each in times if each is not None]
    if found and len(found) == len(undecided):
        return (max(found) - 1.0) * metrics.seconds
    tail = metrics.response.at(QUANTILES["p99"])  # too few samples for an interval: first of all that takes more
    too_few = tail is not None and tail.only_bound and tail.needed and metrics.response.count
    return metrics.seconds * (tail.needed or 0) / metrics.response.count if tail and too_few else None


def _times_as_long(bound: Bound, metrics: PointMetrics, rows: SloRows) -> float | None:
    if bound.metric == "errors":
        times = range(2, MOST_TIMES_AS_LONG + 1)
        return next((each for each in times if _keeps_errors(metrics.counts, bound.limit, each) is not None), None)
    kind, _, statistic = bound.metric.rpartition("_")
    return rows.times_as_long(kind or "response", QUANTILES[statistic], bound.limit) if statistic in QUANTILES else None


def _keeps_errors(counts: Counts, limit: float, times: int = 1) -> bool | None:
    """Whether the share of failures is within the limit, of so many times as many requests that fail as often.

    By the interval of Clopper and Pearson; a limit of 0 by what was seen, as no sample excludes every failure.
    """
    failed, total = times * counts.failed, times * counts.scheduled
    if not total:
        return None
    if not limit:
        return not failed
    if clopper_pearson_upper(failed, total, ONE_SIDED) <= limit:
        return True
    return False if clopper_pearson_lower(failed, total, ONE_SIDED) > limit else None


def _fails_too_often(counts: Counts, slo: Slo) -> bool:
    """Whether more than 1 % of what was due got no good response, where `slo` has no bound of its own for that."""
    bounded = any(bound.metric == "errors" for bound in slo.bounds)
    return not bounded and counts.failed > MOST_FAILED * counts.scheduled


def missed_by(point: PointMetrics, slo: Slo) -> str:
    """What breaks an objective besides response times, in words: failures, or outages; empty where neither does."""
    objectives = _objectives(point, slo)
    return ", ".join(f"{text}{of_class}" for each, own, of_class in objectives if (text := _broken_by(each, own)))


def _objectives(point: PointMetrics, slo: Slo) -> list[tuple[PointMetrics | ClassMetrics, Slo, str]]:
    """What is held to which objective: the point, or ` (NAME)`, each class, where they have their own."""
    if slo.of_classes and len(point.classes) > 1:
        return [(each, each.slo, f" ({each.name})") for each in point.classes if each.slo]
    return [(point, slo.of_class(point.classes[0].name) if point.classes else slo, "")]


def _broken_by(metrics: PointMetrics | ClassMetrics, slo: Slo) -> str:
    counts = metrics.counts
    if _fails_too_often(counts, slo) or any(
        bound.metric == "errors" and _keeps_errors(counts, bound.limit) is False for bound in slo.bounds
    ):
        return f"{percent(counts.failed_share)} failed"
    limits = [bound for bound in slo.bounds if bound.metric in QUANTILES]
    out = [share for bound in limits if (share := slow_share(metrics, bound.limit)) > 1 - QUANTILES[bound.metric]]
    return f"away for {percent(max(out))} of the time" if out else ""


def slow_share(metrics: PointMetrics | ClassMetrics, limit_ms: float) -> float:
    """The share of the time at which a user who came would have waited longer than the limit, or for nothing.

    Only outages count. Percentiles of a closed loop do not show them, since users who wait send nothing.
    """
    trials = counted_trials(getattr(metrics, "trials", ()))
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
    """Whether a bound on a percentile is broken by the service times alone, in which no late sending is.

    Not where the machine was busy as well: a generator that cannot run reads responses late, too.
    """
    grave = {finding.kind for finding in point.findings if finding.verdict is Verdict.INVALID}
    if not grave <= LATE_SENDING:
        return False
    return any(_breaks(each, own) for each, own, _ in _objectives(point, slo))


def _breaks(metrics: PointMetrics | ClassMetrics, slo: Slo) -> bool:
    tails = [(bound, metrics.service.at(QUANTILES[bound.metric])) for bound in slo.bounds if bound.metric in QUANTILES]
    return any(tail is not None and tail.low_ms is not None and tail.low_ms > bound.limit for bound, tail in tails)


def goodput_limit_ns(slo: Slo) -> int | None:
    """The tightest bound of response times, which every good response must keep; None where there is none for all."""
    limits_ms = [bound.limit for bound in slo.of_all if bound.metric != "errors" and "_" not in bound.metric]
    return round(min(limits_ms) * NS_PER_MS) if limits_ms else None


def allowed_failures(slo: Slo) -> float | None:
    """The tightest bound on the share of failures; None where there is none."""
    bounds = (*slo.bounds, *itertools.chain.from_iterable(slo.of_classes.values()))
    return min((bound.limit for bound in bounds if bound.metric == "errors"), default=None)


def _keeps(bound: Bound, metrics: PointMetrics | ClassMetrics, rows: SloRows) -> bool | None:
    if bound.metric == "errors":
        return _keeps_errors(metrics.counts, bound.limit)
    kind, _, statistic = bound.metric.rpartition("_")
    latency = _latency(kind, metrics)
    if latency is None:
        return None
    if not latency.count:
        unknown = bool(kind) and metrics.counts.ok > 0  # the responses were good, but not streamed
        return None if unknown or not metrics.counts.scheduled else False
    if statistic in QUANTILES:
        away = not kind and slow_share(metrics, bound.limit) > 1 - QUANTILES[statistic]
        return False if away else rows.decide(kind or "response", QUANTILES[statistic], bound.limit)
    value_ms = latency.mean_ms if statistic == "mean" else latency.max_ms
    unknown = value_ms is None or (statistic == "max" and rows.any_open(kind or "response"))
    return False if value_ms is not None and value_ms > bound.limit else None if unknown else True


def _latency(kind: str, metrics: PointMetrics | ClassMetrics) -> Latency | None:
    """What a bound is about; None where responses were not streamed."""
    if not kind:
        return metrics.response
    stream: StreamMetrics | None = getattr(metrics, "stream", None)
    found: Latency | None = getattr(stream, kind, None)
    return found
