"""Points with given figures, for what is decided from metrics alone."""

from __future__ import annotations

from harness.judge.findings import Finding, Verdict
from harness.judge.interval import Interval
from harness.judge.metrics import Counts, Latency, PointMetrics, Quantile, Timeline, TimeSplit, TrialMetrics, Usage
from harness.judge.numbers.latency import NOTHING


def quantile_of(value_ms, low_ms=None, high_ms=None, *, p=0.99, at_least=False):
    return Quantile(p=p, value_ms=value_ms, low_ms=low_ms, high_ms=high_ms, effective_samples=1e4, at_least=at_least)


def invalid(text="The generator was busy 97 % of the time."):
    return Finding(
        kind="generator_cpu",
        title="The load generator was busy",
        lengthens=True,
        verdict=Verdict.INVALID,
        text=text,
        remedy="Use more cores.",
    )


def trial_of(rate, half=0.0, *, findings=(), verdict=Verdict.VALID, repeat=0):
    return TrialMetrics(
        trial=repeat,
        repeat=repeat,
        seconds=10.0,
        counts=Counts(),
        throughput_rps=Interval(value=rate, low=rate - half, high=rate + half),
        response=NOTHING,
        service=NOTHING,
        lateness=NOTHING,
        split=TimeSplit(send_ms=0.0),
        usage=Usage(),
        timeline=Timeline(bin_s=1.0, t_s=(), throughput_rps=(), p50_ms=(), p99_ms=()),
        mean_batch=None,
        in_flight_mean=None,
        verdict=verdict,
        findings=findings,
    )


def point_of(
    rate=1000.0,
    *,
    number=0,
    setting=None,
    users=8,
    half=None,
    tail=None,
    rates=None,
    meets=None,
    counts=None,
    findings=(),
):
    """A point with throughput `rate` (plus and minus `half`) and the p99 `tail`; `rates` are those of its repeats."""
    half = 0.01 * rate if half is None else half
    rates = [rate] if rates is None else rates
    latency = Latency(count=10_000, mean_ms=20.0, max_ms=100.0, quantiles=(tail or quantile_of(30.0, 29.0, 31.0),))
    return PointMetrics(
        point=number,
        setting={"batch_size": 1} if setting is None else setting,
        arrivals="closed",
        concurrency=users,
        rate_target_rps=None,
        repeats=len(rates),
        seconds=10.0 * len(rates),
        counts=counts or Counts(scheduled=10_000, sent=10_000, ok=10_000, checked=10_000),
        throughput_rps=Interval(value=rate, low=rate - half, high=rate + half),
        goodput_rps=None,
        response=latency,
        service=latency,
        lateness=NOTHING,
        split=TimeSplit(send_ms=0.0),
        usage=Usage(),
        mean_batch=None,
        meets_slo=meets,
        verdict=max((finding.verdict for finding in findings), default=Verdict.VALID),
        findings=findings,
        trials=tuple(trial_of(each, half, repeat=i) for i, each in enumerate(rates)),
    )
