"""Checks of the target's responses: failures, wrong predictions, rejections, and a queue that only grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.judge.checks.case import added_counts, finding, grade
from harness.judge.checks.streams import well_formed
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, grouped, percent
from harness.judge.stats.growth import growth
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding

WRONG_ANSWERS = FindingKind("wrong_answers", "Responses were wrong")
ERRORS = FindingKind("errors", "Requests failed")
UNNOTICED_FAILURES = FindingKind("unnoticed_failures", "Responses that were taken as good report failures")
REJECTIONS = FindingKind("rejections", "The target rejected requests")
UNCHECKED = FindingKind("unchecked", "Not all responses were checked")
LENIENT = FindingKind("lenient", "The tolerance lets wrong responses pass")
SATURATED = FindingKind("saturated", "The target was saturated")
ERRORS_INVALID = 0.05  # above this share the latencies are those of a different, lighter load
FEW_CHECKED = 0.05
FEW_WAITING = 0.05  # of the users
ALLOWED = "The objective allows so many failures; only good responses count."
CONDITION = "a wrong response: "  # before the condition of the user's that a response does not meet
_GROWTH = 1.5  # in flight at the end over its mean: 1 when steady, 2 when it grows in a straight line
_GROWTH_Z = 2.0
_KEPT_UP = 0.99


def wrong_answers(case: TrialCase) -> Finding | None:
    """A response differs from the model's own prediction."""
    counts = case.metrics.counts
    if not counts.wrong:
        return None
    reasons = _reasons(case, CONDITION)
    most = f"; most often: {max(reasons, key=reasons.__getitem__)}" if reasons else ""
    text = f"{grouped(counts.wrong)} of {grouped(counts.checked)} checked responses were wrong{most}."
    if case.failures_allowed:
        return finding(WRONG_ANSWERS, Verdict.VALID, text, ALLOWED, wrong=counts.wrong)
    some = "" if case.allowed_failures else "; where some may be wrong, --slo 'p99<50ms,errors<10%' allows a share"
    if reasons and case.user_paced:  # failures by the words of the user's own tasks, and no nonsense
        remedy = f"Correct the server, or the tasks that call response.failure{some}."
        verdict = grade(counts.wrong / counts.sent, 0.0, ERRORS_INVALID)
        return finding(WRONG_ANSWERS, verdict, text, remedy, wrong=counts.wrong)
    own = "--expect" if reasons else "--model, --reference, --bank, or its precision knob"
    if case.metrics.stream is not None:
        own = "--model, or what --prompts expects"
    remedy = f"The speed of wrong responses means nothing: correct the server (or {own}) first{some}."
    return finding(WRONG_ANSWERS, Verdict.INVALID, text, remedy, wrong=counts.wrong)


def unnoticed_failures(case: TrialCase) -> Finding | None:
    """Tasks of a locustfile took responses as good that say of themselves that the request failed."""
    texts = added_counts(report.unnoticed for report in case.data.reports)
    if not texts:
        return None
    share = texts.total() / sum(report.ok for report in case.data.reports)
    most = texts.most_common(1)[0][0]
    text = f"{percent(share)} of the responses that tasks took as good report a failure; most often: {most}."
    remedy = "Let the tasks look: with self.client.post(..., catch_response=True) as response: response.failure(...)."
    return finding(UNNOTICED_FAILURES, grade(share, 0.0, ERRORS_INVALID), text, remedy, share=share)


def errors(case: TrialCase) -> Finding | None:
    """Requests failed, ran into the time-out, or were still open when the trial had to end."""
    counts = case.metrics.counts
    unanswered = counts.error + counts.timeout + counts.aborted
    if not unanswered or not counts.sent:
        return None
    share = unanswered / counts.sent
    kinds = [("failed", counts.error), ("timed out", counts.timeout), ("still open at the end", counts.aborted)]
    listed = ", ".join(f"{grouped(count)} {what}" for what, count in kinds if count)
    texts = _reasons(case)
    most = f"; most often: {max(texts, key=texts.__getitem__)}" if texts else ""
    text = f"{percent(share)} of the requests got no good response ({listed}{most}).{_where_they_failed(case)}"
    if case.failures_allowed:
        return finding(ERRORS, Verdict.VALID, text, ALLOWED, share=share)
    waited = counts.timeout + counts.aborted
    slow = "; lower the load, or raise --timeout if the target is only slow" if waited else ""
    return finding(ERRORS, grade(share, 0.0, ERRORS_INVALID), text, f"{case.look_into_log}{slow}.", share=share)


def _where_they_failed(case: TrialCase) -> str:
    """How many of the failures came from the server with most of them, where several share the conversations."""
    servers = case.data.reports[0].servers if case.data.reports else ()
    if case.rows is None or len(servers) < 2:
        return ""
    failed = case.rows.due.where(case.rows.due.outcome_is(Outcome.ERROR, Outcome.TIMEOUT, Outcome.ABORTED))["server"]
    counts = [int(np.count_nonzero(failed == number)) for number in range(len(servers))]
    worst = max(range(len(servers)), key=counts.__getitem__)
    return f" {grouped(counts[worst])} of these {grouped(sum(counts))} were at {servers[worst]}." if any(counts) else ""


def _reasons(case: TrialCase, beginning: str = "") -> dict[str, int]:
    """How often each failure whose text begins so was counted, by the rest of the text."""
    counts = added_counts(report.errors for report in case.data.reports)
    return {text.removeprefix(beginning): count for text, count in counts.items() if text.startswith(beginning)}


def rejections(case: TrialCase) -> Finding | None:
    """The target refused work."""
    counts = case.metrics.counts
    if not counts.rejected:
        return None
    share = counts.rejected / counts.sent
    text = f"The target rejected {percent(share)} of the requests; latencies are those of the accepted ones."
    waiting = case.users_backing_off
    if case.closed is not None and waiting > FEW_WAITING * case.closed.users:
        text += (
            f" After a rejection users wait before they ask again: on average {figure(waiting)} of {case.closed.users} "
            "did, and the load was that of the others."
        )
    remedy = "It is over its limit: lower the load, or raise its queue limit if waiting longer is acceptable."
    return finding(REJECTIONS, Verdict.DEGRADED, text, remedy, share=share)


def unchecked(case: TrialCase) -> Finding | None:
    """No response, or few of them, were compared with the expected one."""
    counts = case.metrics.counts
    if not counts.ok:
        return None
    share = counts.checked / counts.ok
    if counts.checked == 0 and case.data.check_off:
        text = "No response was compared with the expected one, as --check off asks."
        return finding(UNCHECKED, Verdict.VALID, text, "Fast nonsense would look as good.", share=0.0)
    if counts.checked == 0 and case.metrics.stream is not None and well_formed(case.metrics.stream.shape):
        text = (
            "Every response was read, and its length and the server's usage agree; no text was compared with another."
        )
        return finding(UNCHECKED, Verdict.VALID, text, "Whether the texts make sense is not known.", share=0.0)
    if counts.checked == 0:
        text = "No response was compared with the expected one: fast nonsense would look as good."
        remedy = "Say what a good response is with --expect, give expected ones with --bank, or say --check off."
        if case.metrics.stream is not None:
            remedy = "Give what is expected of prompts with --prompts FILE.json, or say --check off."
        return finding(UNCHECKED, Verdict.DEGRADED, text, remedy, share=0.0)
    if share < FEW_CHECKED:
        text = f"Only {percent(share)} of the responses were compared in full."
        return finding(UNCHECKED, Verdict.VALID, text, "Use --check all to compare each.", share=share)
    return None


def lenient(case: TrialCase) -> Finding | None:
    """A wrong response would pass: zeros in place of small values, or the next whole number, such as another label."""
    reports = [each for each in case.data.reports if each.tolerance and (each.zeros_pass or each.neighbours_pass)]
    if not reports or not case.metrics.counts.checked:
        return None
    worst = max(reports, key=lambda report: max(report.zeros_pass or 0.0, report.neighbours_pass or 0.0))
    relative, absolute = worst.tolerance or (0.0, 0.0)
    if share := worst.zeros_pass or 0.0:
        text = (
            f"The expected values of {percent(share)} of the payloads are smaller than the tolerance ({relative:g} "
            f"relative, {absolute:g} absolute): a server that returns zeros would be right."
        )
        remedy = "Give a smaller absolute difference with --tolerance SHARE,NUMBER."
    else:
        share = worst.neighbours_pass or 0.0
        text = (
            f"The expected values are whole numbers, and for {percent(share)} of the payloads the tolerance "
            f"({relative:g} relative, {absolute:g} absolute) allows the next one: another label would be right."
        )
        remedy = "Allow less than that, for example with --tolerance 0,0.5."
    return finding(LENIENT, Verdict.DEGRADED, text, remedy, share=share, relative=relative, absolute=absolute)


def saturated(case: TrialCase) -> Finding | None:
    """Open loop: the target cannot keep up, so that latency depends on how long one measures."""
    if case.rows is None or not case.open_loop or not case.stationary:
        return None
    due_ns, done_ns = case.rows.due["due_ns"], case.rows.due["done_ns"]
    window = case.rows.window
    queue = growth(due_ns, done_ns[done_ns != ABSENT], window.start_ns, window.end_ns)
    kept_up = np.count_nonzero(window.holds(done_ns)) / len(case.rows.due)
    if queue is None or queue.index <= _GROWTH or queue.slope_z <= _GROWTH_Z or kept_up >= _KEPT_UP:
        return None
    text = (
        f"The target did not keep up: {percent(kept_up)} of the requests got a response within the window, and at its "
        f"end {queue.index:.1f} times as many requests were waiting as on average."
    )
    remedy = "There is no steady latency at this rate: lower --rate below the throughput seen here."
    return finding(SATURATED, Verdict.DEGRADED, text, remedy, growth=queue.index, kept_up=kept_up)
