"""The events of a trial with their short texts: it starts, how it goes, how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.findings import Verdict
from harness.judge.number_text import figure, milliseconds
from harness.judge.numbers.machine.harmed_time import Culprit
from harness.judge.phrases import level_text
from harness.plan.knobs import setting_text
from harness.run.events import TrialEnded, TrialProgress, TrialStarted

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.findings import Finding
    from harness.judge.metrics import Quantile, TrialMetrics
    from harness.judge.trial_summary import TrialSummary
    from harness.plan.plan import Plan, Point
    from harness.record.load_report import Live
    from harness.record.run_dir import TrialRecord
    from harness.run.events import Listener


WORDS = {  # for a line of progress, where a kind's own name says too little
    "harmed": "machine busy", "steal": "cores taken away", "neighbours": "machine busy", "rate": "rate not reached",
    "generator_cpu": "load generator busy", "loop_lag": "load generator held up", "lateness": "sent too late",
    "gc_pause": "load generator held up", "errors": "requests failed", "wrong_answers": "wrong responses",
}  # fmt: skip
LONG_TRIAL_S = 10.0  # from here on, how much of a trial has passed is shown


def trial_started(plan: Plan, name: str) -> TrialStarted:
    """The event that a trial begins; the seconds of a long one are counted."""
    seconds = round(plan.seconds) if plan.seconds >= LONG_TRIAL_S else 0
    return TrialStarted(name, seconds, "seconds")


def live_reporter(listener: Listener, plan: Plan, name: str, later_s: float | None = None) -> Callable[[Live], None]:
    """A function that reports how a trial goes.

    later_s: what the trials after it take; None: the time that is left is not known.
    """
    seconds = plan.seconds

    def report(live: Live) -> None:
        step = min(int(live.seconds), round(seconds)) if seconds >= LONG_TRIAL_S else 0
        left_s = None if later_s is None else max(0.0, seconds - live.seconds) + later_s
        listener(TrialProgress(name, live_text(live), step, left_s))

    return report


def trial_ended(record: TrialRecord, summary: TrialSummary, name: str = "", remark: str = "") -> TrialEnded:
    """The event that says how a trial ended; `remark` stands behind its result."""
    name = name or point_text(record.point)
    failure = record.failure or (None if summary.durations else "no request was measured")
    if not summary.durations:
        return TrialEnded(name, "", failure)
    metrics = summary.metrics
    p99 = metrics.response.at(0.99)
    rate_rps, p99_ms = metrics.throughput_rps.value, p99.value_ms if p99 else None
    doubts = tuple(finding.title for finding in metrics.findings if finding.verdict is not Verdict.VALID)
    result = result_text(metrics) + remark
    grave = next((each for each in metrics.findings if each.verdict is Verdict.INVALID), None)
    why = f"{words_of(grave)}: {grave.text} {grave.remedy}".rstrip() if grave else ""
    return TrialEnded(name, result, failure, rate_rps=rate_rps, p99_ms=p99_ms, doubts=doubts, why=why)


def words_of(finding: Finding) -> str:
    """Two or three words: `machine busy`."""
    by_generator = max(Culprit, key=lambda each: finding.data.get(each, 0.0)) is Culprit.GENERATOR
    if finding.kind == "harmed" and by_generator:
        return WORDS["loop_lag"]
    return WORDS.get(finding.kind, finding.kind.replace("_", " "))


def point_text(point: Point) -> str:
    """`batch_size=4, 32 users`."""
    return ", ".join(filter(None, (setting_text(point.setting), level_text(point))))


def result_text(metrics: TrialMetrics) -> str:
    """`9 100 req/s, p99 21.3 ms`, with the verdict where it is not VALID, and the reason where it is INVALID."""
    p99 = metrics.response.at(0.99)
    tail = f"p99 {_milliseconds(p99)}" if p99 else "nothing timed"
    verdict = "" if metrics.verdict == "VALID" else f", {metrics.verdict}"
    reasons = [words_of(each) for each in metrics.findings if each.verdict is Verdict.INVALID]
    verdict += f": {reasons[0]}" if reasons else ""
    return f"{figure(metrics.rate.value, 3)} {metrics.rate_unit}, {tail}{verdict}"


def _milliseconds(quantile: Quantile) -> str:
    """`21.3 ms`; `21.3 ms or more` where the sample is too small for an upper bound; `-` without a value."""
    if not quantile.value_ms:
        return "-"
    sign = "\u2265 " if quantile.at_least and not quantile.only_bound else ""
    return f"{sign}{milliseconds(quantile.value_ms, 3)}{' or more' if quantile.only_bound else ''}"


def live_text(live: Live) -> str:
    """`after 12 s: 480 req/s, p50 5.1 ms, p99 9.3 ms, 3 failed`."""
    words = [f"{figure(live.rate_rps, 3)} req/s"]
    latencies = {"p50": live.p50_ms, "p99": live.p99_ms}
    words += [f"{name} {milliseconds(value, 3)}" for name, value in latencies.items() if value]
    words += [f"{live.failed} failed"] if live.failed else []
    return f"after {live.seconds:.0f} s: {', '.join(words)}"
