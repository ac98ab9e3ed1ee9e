"""Checks whether the target served all the time, all users alike, and every payload and connection alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.judge.checks.case import added_counts, finding
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, grouped, milliseconds, percent
from harness.judge.numbers.target.active_users import USERS_OF_A_WORKER
from harness.judge.numbers.target.availability import OutageKind
from harness.judge.numbers.target.first_answers import (
    CACHED_RATIO,
    COLD_NS,
    FIRST_NS,
    FIRST_RATIO,
    first_of_connections,
    first_of_trial,
    unseen_payloads,
)
from harness.judge.numbers.target.user_inequality import unequal_connections, user_inequality
from harness.judge.numbers.time_split import overlong_parts_ms
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding
    from harness.judge.numbers.target.availability import OutageSpan
    from harness.judge.numbers.target.user_inequality import UserInequality
    from harness.judge.numbers.trial_rows import RowColumns

UNAVAILABLE = FindingKind("unavailable", "The target did not serve for a part of the time")
UNEQUAL_USERS = FindingKind("unequal_users", "Users, or connections, were not served alike")
CACHED = FindingKind("cached", "Responses came from a cache")
SLOW_FIRST = FindingKind("slow_first", "First requests were slower")
SERVER_TIMING = FindingKind("server_timing", "The server\u2019s own durations are too long")
CLOSED = FindingKind("closed", "The server closes its connections")
UNASKED = FindingKind("unasked", "The server sent bytes that nobody asked for")
DISBELIEVED = FindingKind("disbelieved", "The server reported what cannot be true")


def unavailable(case: TrialCase) -> Finding | None:
    """For a part of the time the target sent nothing while requests were open, or only refusals and failures."""
    served = case.availability
    longest = served.longest() if served else None
    if served is None or longest is None or case.rows is None:
        return None
    seconds = case.rows.window.seconds
    out_s = (1 - served.share) * seconds
    from_s, length_s = (longest.start_ns - served.window_ns[0]) / 1e9, (longest.end_ns - longest.start_ns) / 1e9
    lasted = f"for {figure(length_s)} s" if longest.end_ns < served.window_ns[1] else "until the end"
    several = f" That was the longest of {len(served.outages)} times." if len(served.outages) > 1 else ""
    text = (
        f"The target was available for {percent(served.share)} of {figure(seconds)} s: from {figure(from_s)} s on "
        f"{lasted} {_what_it_did(longest)}.{several}"
    )
    remedy = f"{case.look_into_log} at that time. In a closed loop a waiting user sends nothing: percentiles hide it."
    data = {"available": served.share, "out_s": out_s, "longest_s": length_s, "at_s": from_s}
    return finding(UNAVAILABLE, Verdict.DEGRADED, text, remedy, times=len(served.outages), **data)


def _what_it_did(outage: OutageSpan) -> str:
    count = grouped(outage.requests)
    if outage.kind is OutageKind.SILENT:
        return f"it sent no response, though {count} request{'s were' if outage.requests > 1 else ' was'} waiting"
    return (
        f"it refused all of {count} requests" if outage.kind is OutageKind.REFUSING else f"all {count} requests failed"
    )


def unequal_users(case: TrialCase) -> Finding | None:
    """Some users of a closed loop, or connections of an open one, were served worse than the others all the time."""
    if case.rows is None or case.user_paced:
        return None
    good = case.rows.good
    good = good.where(good["user"] != ABSENT)
    if not len(good) or np.ptp(good["request_class"]):
        return None
    user = good["worker"] * USERS_OF_A_WORKER + good["user"]
    if case.closed is not None:
        found = user_inequality(user, good["done_ns"] - good["due_ns"], case.closed.users)
        return None if found is None else _unequal("Users", found)
    if not case.open_loop or not (good["sent_ns"] != ABSENT).all():
        return None
    found = unequal_connections(user, good["sent_ns"], good["done_ns"])
    return None if found is None else _unequal("Connections", found)


def _unequal(who: str, found: UserInequality) -> Finding:
    parts = []
    if found.slow_median_ns is not None and found.other_median_ns is not None:
        slow, others = (milliseconds(ns / NS_PER_MS) for ns in (found.slow_median_ns, found.other_median_ns))
        parts.append(
            f"the median response time of {found.slow} of {found.users} was {slow}, that of the others {others}"
        )
    if found.starved:
        parts.append(
            f"{found.starved} of {found.users} got less than a third of the responses of others "
            f"(the fewest {grouped(found.fewest)}, the most {grouped(found.most)})"
        )
    text = f"{who} were not served alike: {'; '.join(parts)}."
    remedy = "Look for connections that the target treats differently; percentiles over all users do not show it."
    data = {"users": found.users, "slow": found.slow, "starved": found.starved}
    return finding(UNEQUAL_USERS, Verdict.DEGRADED, text, remedy, **data)


def cached(case: TrialCase) -> Finding | None:
    """Payloads that were sent before got their response much faster."""
    rows = _answered(case)
    if rows is None:
        return None
    rows = rows.where(rows["payload"] != ABSENT)
    payload = rows["request_class"] * (1 << 32) + rows["payload"]
    found = unseen_payloads(payload, rows["due_ns"], rows["done_ns"] - rows["sent_ns"])
    if found is None or found.ratio <= CACHED_RATIO:
        return None
    text = (
        f"Payloads that had been sent before got their response {figure(found.ratio)} times faster than at their first "
        f"request ({milliseconds(found.other_ns / NS_PER_MS)} instead of {milliseconds(found.first_ns / NS_PER_MS)}): "
        "the figures are mostly those of a cache."
    )
    remedy = "Turn the target's cache off, or send more distinct payloads than it can hold."
    return finding(CACHED, Verdict.DEGRADED, text, remedy, ratio=found.ratio)


def server_timing(case: TrialCase) -> Finding | None:
    """The server said that it spent more time on requests than they took."""
    overlong = overlong_parts_ms(case.rows.good) if case.rows and len(case.rows.good) else None
    if overlong is None:
        return None
    said, took = map(milliseconds, overlong)
    text = f"Server-Timing cannot be right: by it a response took the server {said}, but it was there after {took}."
    remedy = "The split of the response time leaves it out; look into the unit (`dur` is milliseconds)."
    return finding(SERVER_TIMING, Verdict.VALID, text, remedy, said_ms=overlong[0], took_ms=overlong[1])


def disbelieved(case: TrialCase) -> Finding | None:
    """The server said of itself what cannot be true, such as a token count that is no number."""
    counts = added_counts(report.disbelieved for report in case.data.reports)
    if not counts:
        return None
    example = counts.most_common(1)[0][0]
    text = f"{grouped(counts.total())} responses carried what cannot be true, mostly {example}."
    remedy = "These numbers are left out, the responses count: correct what the server reports."
    return finding(DISBELIEVED, Verdict.DEGRADED, text, remedy, count=counts.total())


def closed(case: TrialCase) -> Finding | None:
    """Most good responses came over a new connection, because the server closes each after a response."""
    reports = [report for report in case.data.reports if len(report.servers) < 2 and not report.unasked]
    sent, ok, again = (sum(getattr(report, name) for report in reports) for name in ("sent", "ok", "reconnects"))
    if 2 * min(ok, again) <= sent:
        return None
    took_ms = sum(report.reconnect_ns for report in reports) / again / NS_PER_MS
    text = (
        f"The server closes its connections: {grouped(again)} of {grouped(sent)} requests needed a new one, which took "
        f"{milliseconds(took_ms)} of their response time (mean)."
    )
    remedy = "Keep connections open there (HTTP/1.1 without `Connection: close`), unless real clients connect anew too."
    return finding(CLOSED, Verdict.VALID, text, remedy, connect_ms=took_ms, share=again / sent)


def unasked(case: TrialCase) -> Finding | None:
    """Bytes came that no request had asked for, such as a second response to the request before."""
    count = sum(report.unasked for report in case.data.reports)
    if not count:
        return None
    text = (
        f"Bytes that nobody asked for came {grouped(count)} times over open connections, such as a second response: "
        "other responses before them may answer an earlier request than the one they are counted for. Users to whom "
        "it happened had a new connection for each further request."
    )
    remedy = "Let the server respond once to each request, with as many bytes as its Content-Length says."
    return finding(UNASKED, Verdict.DEGRADED, text, remedy, count=count)


def slow_first(case: TrialCase) -> Finding | None:
    """The first requests, of all or of each connection, took much longer than later ones, mostly in the warm-up."""
    return _slow_connections_at_first(case) or _slow_start(case)


def _slow_connections_at_first(case: TrialCase) -> Finding | None:
    rows = _answered(case)
    if rows is None or case.closed is None:
        return None
    rows = rows.where(rows["user"] != ABSENT)
    user = rows["worker"] * USERS_OF_A_WORKER + rows["user"]
    found = first_of_connections(user, rows["sent_ns"], rows["done_ns"] - rows["sent_ns"])
    if found is None or found.ratio <= FIRST_RATIO or found.first_ns <= FIRST_NS:
        return None
    first, later = milliseconds(found.first_ns / NS_PER_MS), milliseconds(found.other_ns / NS_PER_MS)
    text = f"The first request of a connection took {first} (median), later ones {later}."
    remedy = "The figures are those of open connections; a client that connects for each request sees the slower one."
    return finding(SLOW_FIRST, Verdict.VALID, text, remedy, ratio=found.ratio)


def _slow_start(case: TrialCase) -> Finding | None:
    """The very first response: to the request before the load, where there was one, or to the first of the load."""
    if case.rows is None:
        return None
    rows = case.rows.everything
    rows = rows.where((rows["sent_ns"] != ABSENT) & (rows["done_ns"] != ABSENT))
    asked_s = case.data.first_response_s
    asked_ns = None if asked_s is None else round(asked_s * NS_PER_S)
    found = first_of_trial(rows["sent_ns"], rows["done_ns"], rows.outcome_is(Outcome.OK), asked_ns)
    if found is None or found.ratio <= FIRST_RATIO or found.first_ns <= COLD_NS:
        return None
    first, later = milliseconds(found.first_ns / NS_PER_MS), milliseconds(found.other_ns / NS_PER_MS)
    text = f"The very first response came after {first}; later ones took {later} (median)."
    remedy = "The figures are those of a warm target: the first client after a start sees the slower one."
    return finding(SLOW_FIRST, Verdict.VALID, text, remedy, ratio=found.ratio, first_ms=found.first_ns / NS_PER_MS)


def _answered(case: TrialCase) -> RowColumns | None:
    """All good responses of the trial, of every phase; None where there are none."""
    if case.rows is None:
        return None
    rows = case.rows.everything
    good = rows.where(rows.outcome_is(Outcome.OK) & (rows["sent_ns"] != ABSENT) & (rows["done_ns"] != ABSENT))
    return good if len(good) else None
