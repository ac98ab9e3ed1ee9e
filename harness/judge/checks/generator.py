"""Checks of the load generator: lateness, CPU, loop lag and pauses must be small against the reported figures.

Each check returns a finding whose verdict is DEGRADED or INVALID by the two limits in the constants below, and a trial
has the worst verdict of its findings (`__init__.py` here lists the checks and says how a point gets its own).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS
from harness.judge.checks.case import finding, grade, worst
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, grouped, milliseconds, percent
from harness.judge.numbers.target.active_users import active_users
from harness.judge.stats.quantiles import quantile
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding
    from harness.record.load_report import LoopHealth

LATENESS = FindingKind("lateness", "Requests left late", lengthens=True)
NOT_SENT = FindingKind("not_sent", "Requests were due but not sent")
GENERATOR_CPU = FindingKind("generator_cpu", "The load generator was busy", lengthens=True)
LOOP_LAG = FindingKind("loop_lag", "The generator\u2019s event loop lagged", lengthens=True)
GC_PAUSE = FindingKind("gc_pause", "Garbage collection stopped the generator", lengthens=True)
LITTLES_LAW = FindingKind("littles_law", "Little\u2019s law does not hold")
# (degraded above, invalid above)
LATE_P50_SHARE = (0.02, 0.10)
LATE_P99_SHARE = (0.05, 0.25)
LATE_FLOOR_MS = {0.5: 0.5, 0.99: 1.0}  # below this the operating system's own timer is that late
CPU_SHARE = (0.70, 0.90)
LOOP_LAG_MS = (5.0, 20.0)
LOOP_LAG_SHARE = (0.05, 0.25)  # of the reported p99
GC_SHARE = (0.001, 0.05)  # `loop_lag` judges what single pauses do to the p99
NOT_SENT_SHARE = (0.0, 0.02)
LITTLE_OFF = (0.02, 0.10)
FEW_FAILURES = 0.01

LIGHTER_USERS = "FastHttpUser takes a quarter of the processor time of HttpUser, and LeanHttpUser a tenth of that."


def more_power(case: TrialCase) -> str:
    """The remedy where the load generator is the limit."""
    if case.data.load_processes == 1:
        return "Give the generator more cores (--load-processes 2) or a machine of its own, or lower the load."
    return f"Give the {case.data.load_processes} load processes more cores or machines of their own, or lower the load."


def lateness(case: TrialCase) -> Finding | None:
    """Requests went out late, by an amount that matters for what is reported."""
    late_ns, response_ns = case.lateness_ns, case.response_ns
    if not late_ns.size or not response_ns.size:
        return None
    verdicts, shares = [], {}
    for p, limits in ((0.5, LATE_P50_SHARE), (0.99, LATE_P99_SHARE)):
        late_ms = quantile(late_ns, p) / NS_PER_MS
        shares[p] = late_ms / max(quantile(response_ns, p) / NS_PER_MS, 1e-9)
        verdicts.append(grade(shares[p], *limits) if late_ms > LATE_FLOOR_MS[p] else Verdict.VALID)
    verdict = worst(verdicts)
    if verdict is Verdict.VALID:
        return None
    text = (
        f"Requests left {milliseconds(quantile(late_ns, 0.5) / NS_PER_MS)} late at p50 and "
        f"{milliseconds(quantile(late_ns, 0.99) / NS_PER_MS)} at p99, which is {percent(shares[0.5])} and "
        f"{percent(shares[0.99])} of the response times."
    )
    return finding(LATENESS, verdict, text, more_power(case), p50_share=shares[0.5], p99_share=shares[0.99])


def not_sent(case: TrialCase) -> Finding | None:
    """Requests were due but never left, because too many were open already."""
    counts = case.metrics.counts
    if not counts.not_sent:
        return None
    share = counts.not_sent / counts.scheduled
    text = f"{grouped(counts.not_sent)} requests ({percent(share)}) were due but not sent: too many were open already."
    remedy = "The target is slower than the rate asks: lower --rate, or raise --max-in-flight if so many may wait."
    return finding(NOT_SENT, grade(share, *NOT_SENT_SHARE), text, remedy, share=share)


def generator_cpu(case: TrialCase) -> Finding | None:
    """A load process had little or no time left, so that it may be what was measured."""
    if case.data.in_process:
        return None
    share = max((health.cpu_ns / health.wall_ns for health in _healths(case) if health.wall_ns), default=0.0)
    verdict = grade(share, *CPU_SHARE)
    if verdict is Verdict.VALID:
        return None
    if case.open_loop:
        # An open loop may spin towards due times; whether it kept up, lateness says directly.
        verdict = Verdict.DEGRADED
    text = f"The load generator was busy {percent(share)} of the time: part of what was measured may be its own limit."
    own = case.metrics.stream is None and case.user_paced
    remedy = more_power(case) + (f" {LIGHTER_USERS}" if own else "")
    return finding(GENERATOR_CPU, verdict, text, remedy, share=share)


def loop_lag(case: TrialCase) -> Finding | None:
    """The generator's event loop came round late."""
    lag_ms = max((health.loop_lag_p99_ns or 0 for health in _healths(case)), default=0) / NS_PER_MS
    if not lag_ms or not case.response_ns.size:
        return None
    stream = case.metrics.stream
    gap = stream.itl.at(0.99) if stream else None  # of a stream the shortest that is timed, and so the first to suffer
    if gap is not None and gap.value_ms is not None:
        share, what = lag_ms / max(gap.value_ms, 1e-9), "inter-token latency"
    else:
        share, what = lag_ms / max(quantile(case.response_ns, 0.99) / NS_PER_MS, 1e-9), "response"
    by_time, by_share = grade(lag_ms, *LOOP_LAG_MS), grade(share, *LOOP_LAG_SHARE)
    if Verdict.VALID in (by_time, by_share):
        return None
    verdict = Verdict.INVALID if by_time is by_share is Verdict.INVALID else Verdict.DEGRADED
    text = f"The generator's event loop was {milliseconds(lag_ms)} late at p99, {percent(share)} of the {what} p99."
    return finding(LOOP_LAG, verdict, text, more_power(case), lag_p99_ms=lag_ms, share=share)


def gc_pause(case: TrialCase) -> Finding | None:
    """Garbage collection stopped the generator."""
    share = max((health.gc_pause_ns / health.wall_ns for health in _healths(case) if health.wall_ns), default=0.0)
    verdict = grade(share, *GC_SHARE)
    if verdict is Verdict.VALID or case.data.in_process:
        return None
    text = f"Garbage collection stopped the generator for {percent(share)} of the time."
    remedy = LIGHTER_USERS if case.user_paced else "Make fewer objects in the scenario's tasks."
    return finding(GC_PAUSE, verdict, text, remedy, share=share)


def littles_law(case: TrialCase) -> Finding | None:
    """Closed loop: all users have a request open or think, all the time, or users were missing or rows were lost."""
    if case.rows is None or case.closed is None or case.user_paced:
        return None
    due, window = case.rows.due, case.rows.window
    refused = due.outcome_is(Outcome.ERROR, Outcome.REJECTED)  # where they are many, think time counts twice
    if np.count_nonzero(refused) > FEW_FAILURES * len(due):
        return None
    rows = case.rows.everything.where(~case.rows.everything.outcome_is(Outcome.NOT_SENT))
    done_ns = np.where(rows["done_ns"] == ABSENT, window.end_ns, rows["done_ns"])
    responses = int(np.count_nonzero(window.holds(done_ns)))
    users = active_users(rows["due_ns"], done_ns, (window.start_ns, window.end_ns), case.closed.think_time_s)
    users += case.users_backing_off
    off = abs(users - case.closed.users) / case.closed.users
    edge = 2 * case.closed.users / max(responses, 1)
    verdict = grade(off, *(limit + edge for limit in LITTLE_OFF))
    if verdict is Verdict.VALID:
        return None
    text = (
        f"Requests, those without a response included, account for {figure(users, 3)} users at a time, but "
        f"{case.closed.users} were configured (Little's law)."
    )
    remedy = "Users were not all running, or waited outside the measured time: warm up longer (--warmup)."
    return finding(LITTLES_LAW, verdict, text, remedy, users=users, off=off)


def _healths(case: TrialCase) -> list[LoopHealth]:
    return [report.health for report in case.data.reports if report.health is not None]
