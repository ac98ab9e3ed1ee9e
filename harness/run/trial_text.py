"""Names and results of trials as short text, for lines of progress."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.arrivals import Closed
from harness.plan.knobs import setting_text

if TYPE_CHECKING:
    from harness.judge.metrics import Quantile, TrialMetrics
    from harness.plan.plan import Point
    from harness.record.load_report import Live


def point_text(point: Point) -> str:
    """`batch_size=4, 32 users`."""
    return ", ".join(filter(None, (setting_text(point.setting), load_text(point))))


def load_text(point: Point) -> str:
    """`32 users`, or `poisson 100/s`."""
    if isinstance(point.arrivals, Closed):
        return f"{point.arrivals.users} user{'s' if point.arrivals.users > 1 else ''}"
    rate = getattr(point.arrivals, "rate_rps", None)
    return f"{type(point.arrivals).__name__.lower()}{f' {rate:g}/s' if rate else ''}"


def result_text(metrics: TrialMetrics) -> str:
    """`9 104 req/s, p99 21.3 ms`, with the verdict where it is not VALID."""
    p99 = metrics.response.at(0.99)
    tail = f"p99 {_milliseconds(p99)}" if p99 else "nothing timed"
    verdict = "" if metrics.verdict == "VALID" else f", {metrics.verdict}"
    rate = f"{metrics.rate.value:,.0f}".replace(",", "\u2009")
    return f"{rate} {metrics.rate_unit}, {tail}{verdict}"


def _milliseconds(quantile: Quantile) -> str:
    """`21.3 ms`; `21.3 ms or more` where the sample is too small for an upper bound; `-` without a value."""
    if not quantile.value_ms:
        return "-"
    sign = "\u2265 " if quantile.at_least and not quantile.only_bound else ""
    return f"{sign}{quantile.value_ms:.3g} ms{' or more' if quantile.only_bound else ''}"


def live_text(live: Live) -> str:
    """`after 12 s: 480 req/s, p50 5.1 ms, p99 9.3 ms, 3 failed`."""
    words = [f"{live.rate_rps:,.0f} req/s".replace(",", "\u2009")]
    words += [f"{name} {value:.3g} ms" for name, value in (("p50", live.p50_ms), ("p99", live.p99_ms)) if value]
    words += [f"{live.failed} failed"] if live.failed else []
    return f"after {live.seconds:.0f} s: {', '.join(words)}"
