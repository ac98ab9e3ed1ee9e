"""Checks that no request is unrecorded: conservation, the recorder, and workers or processes that were lost."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.judge.checks.case import finding
from harness.judge.checks.service import UNAVAILABLE
from harness.judge.checks.users import most_raised, running_users
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, grouped, milliseconds
from harness.judge.numbers.trial_rows import RowColumns, lost_requests
from harness.record.load_report import BY_LOCUSTFILE
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding
    from harness.record.load_report import LoadReport

TARGET_DIED = FindingKind("target_died", "The target died")
DAMAGED = FindingKind("damaged", "Files are damaged")
LOAD_DIED = FindingKind("load_died", "The load generator died")
NOT_STARTED = FindingKind("not_started", "The trial could not be started")
SHORT_WINDOW = FindingKind("short_window", "Nothing was due in the measured time")
INTERRUPTED = FindingKind("interrupted", "The trial was interrupted")
LOST_WORKER = FindingKind("lost_worker", "A load worker was lost")
RECORDER = FindingKind("recorder", "The recorder failed")
CONSERVATION = FindingKind("conservation", "Requests are unaccounted for")
CLOCK_OFFSET = FindingKind("clock_offset", "Workers have clocks of their own")
CLOCK_STEP = FindingKind("clock_step", "A clock stepped")
SEVERAL_RESPONSES = 4  # that a window should be as long as, one after the other
EARLY_NS = -1_000_000
CLOCK_ERROR_MS = 50.0  # beyond it even counts in windows of a second are off by some percent
_COUNTED = ("ok", "wrong", "error", "timeout", "rejected", "aborted", "cancelled", "not_sent")


def target_died(case: TrialCase) -> Finding | None:
    """The target's process was gone at the end."""
    if not case.data.target_died:
        return None
    text = "The target died during the trial."
    return finding(TARGET_DIED, Verdict.INVALID, text, "The last lines of target.log say why.")


def damaged(case: TrialCase) -> Finding | None:
    """Files of the trial are not as they were written."""
    if not case.data.damaged:
        return None
    names = ", ".join(case.data.damaged)
    text = f"Files of this trial are damaged: {names}. What could be read of them is shown."
    remedy = "Do not use these numbers: take the files from a copy, or measure this point again."
    return finding(DAMAGED, Verdict.INVALID, text, remedy, files=len(case.data.damaged))


def load_died(case: TrialCase) -> Finding | None:
    """The trial did not run to its end, or nothing was measured in it."""
    failure = case.data.failure
    if failure and failure.startswith("interrupted"):
        when = f"after {case.metrics.seconds:.1f} s of measuring" if case.rows else "before anything was measured"
        verdict = Verdict.DEGRADED if case.rows else Verdict.INVALID
        remedy = "Go on with --resume to measure it in full."
        return finding(INTERRUPTED, verdict, f"The trial was interrupted {when}.", remedy)
    if case.data.start_failure:
        text = f"The trial could not be started: {case.data.start_failure}."
        return finding(NOT_STARTED, Verdict.INVALID, text, _where_it_says_why(case))
    if failure and not case.data.target_died:
        remedy = "Look into load.log; --resume runs this trial again."
        return finding(LOAD_DIED, Verdict.INVALID, f"The trial did not end in order: {failure}.", remedy)
    return _ended_early(case) or _nothing_measured(case)


def _where_it_says_why(case: TrialCase) -> str:
    return "target.log has all that the target said." if case.data.has_log else ""


def _ended_early(case: TrialCase) -> Finding | None:
    if not any(report.stop_reason == BY_LOCUSTFILE for report in case.data.reports):
        return None
    text = f"The locustfile itself ended the test after {case.metrics.seconds:.1f} s of measuring."
    verdict = Verdict.DEGRADED if case.rows else Verdict.INVALID
    return finding(LOAD_DIED, verdict, text, "Look where its tasks call runner.quit() or runner.stop().")


def _nothing_measured(case: TrialCase) -> Finding | None:
    if case.rows is not None:
        return None
    waiting, first_s, going_s = _still_waiting(case), case.data.first_response_s or 0.0, _going_s(case)
    if waiting and (first_s > _window_s(case) or going_s):
        long_s = max(first_s, going_s)
        how_long = f"the first took {figure(first_s)} s" if first_s >= going_s else f"{figure(going_s)} s or more"
        text = f"No response came in the measured window, since one takes long: {how_long}."
        enough_s = math.ceil(SEVERAL_RESPONSES * long_s)
        remedy = f"Measure for several times as long, and wait for each: --seconds {enough_s}s --timeout {enough_s}s."
        return finding(SHORT_WINDOW, Verdict.INVALID, text, remedy, longest_s=long_s)
    if waiting:
        text = (
            f"No response came in the measured window: {grouped(waiting)} requests, sent before it, were still waiting."
        )
        remedy = f"{case.look_into_log}: the target stopped responding during the warm-up."
        return finding(UNAVAILABLE, Verdict.INVALID, text, remedy, available=0.0, waiting=waiting)
    return _none_due(case)


def _none_due(case: TrialCase) -> Finding:
    """Why no request was due in the measured window."""
    none = "No request was due in the measured window"
    if refused := _refused(case):
        text = f"{none}: the server had refused {grouped(refused)} and made users wait."
        remedy = f"{case.look_into_log}; lower the load, or let it rest as long as its Retry-After says."
        return finding(UNAVAILABLE, Verdict.INVALID, text, remedy, available=0.0, refused=refused)
    raised = most_raised(case)
    if running_users(case) == 0:
        text = f"{none}: no user was running any more{f' (users raised {raised})' if raised else ''}."
        remedy = "Look into load.log why users ended: StopUser, exceptions, a load shape."
        return finding(SHORT_WINDOW, Verdict.INVALID, text, remedy)
    if slow_s := _longest_s(case):
        text = f"{none}, since responses take up to {slow_s:.1f} s."
        remedy = f"Measure for several times as long: --seconds {math.ceil(SEVERAL_RESPONSES * slow_s)}s or more."
        return finding(SHORT_WINDOW, Verdict.INVALID, text, remedy, longest_s=slow_s)
    if raised:
        text = f"{none}: users raised {raised}."
        return finding(SHORT_WINDOW, Verdict.INVALID, text, "Correct the scenario; load.log has the traceback.")
    text = f"{none}."
    return finding(SHORT_WINDOW, Verdict.INVALID, text, "Measure longer (--seconds), and look into load.log.")


def _window_s(case: TrialCase) -> float:
    """How long the load was to be measured, as load processes report; infinite where none does."""
    spans = [(report.measure_start_ns, report.measure_end_ns) for report in case.data.reports]
    return max(((end - start) / NS_PER_S for start, end in spans if start and end), default=math.inf)


def _still_waiting(case: TrialCase) -> int:
    """Requests of the warm-up that never got a response."""
    if case.data.rows is None:
        return 0
    return int(np.count_nonzero(RowColumns(case.data.rows).outcome_is(Outcome.ABORTED, Outcome.TIMEOUT)))


def _going_s(case: TrialCase) -> float:
    """How long a request of the warm-up had been under way when the target still sent some of its response.

    0 where nothing came after the measured window had begun: the target has stopped then.
    """
    starts_ns = [report.measure_start_ns for report in case.data.reports if report.measure_start_ns]
    if case.data.rows is None or not starts_ns:
        return 0.0
    rows = RowColumns(case.data.rows)
    good = rows.outcome_is(Outcome.OK)
    signs_ns = np.maximum.reduce([rows["first_byte_ns"], rows["first_token_ns"], np.where(good, rows["done_ns"], 0)])
    late = signs_ns > min(starts_ns)
    return float((signs_ns - rows["due_ns"])[late].max()) / NS_PER_S if late.any() else 0.0


def _refused(case: TrialCase) -> int:
    """Requests of the warm-up that the server refused; users wait as long as it asks them to (Retry-After)."""
    if case.data.rows is None:
        return 0
    return int(np.count_nonzero(RowColumns(case.data.rows).outcome_is(Outcome.REJECTED)))


def _longest_s(case: TrialCase) -> float:
    """The longest response to requests of the warm-up; 0 where there is none."""
    if case.data.rows is None:
        return 0.0
    rows = RowColumns(case.data.rows)
    good = rows.where(rows.outcome_is(Outcome.OK))
    return float((good["done_ns"] - good["due_ns"]).max()) / NS_PER_S if len(good) else 0.0


def lost_worker(case: TrialCase) -> Finding | None:
    """A load process left no report, or only a snapshot from before its end."""
    if case.data.start_failure:
        return None  # there was none yet
    reports = case.data.reports
    unfinished = [report.worker for report in reports if not report.final]
    absent = max(0, case.data.load_processes - len(reports))
    if not unfinished and not absent:
        return None
    names = ", ".join(map(str, unfinished))
    parts = [f"worker {names} ended without its last report"] if unfinished else []
    parts += [f"{absent} of {case.data.load_processes} load processes left no report"] if absent else []
    unknown = lost_requests(reports, case.rows.everything) if case.rows else 0
    text = f"Part of the load was lost: {' and '.join(parts)}; {grouped(unknown)} sent requests have no row."
    remedy = "Look into load.log for a killed or hanging worker, and measure again."
    return finding(LOST_WORKER, Verdict.INVALID, text, remedy, lost=len(unfinished) + absent, unknown=unknown)


def recorder(case: TrialCase) -> Finding | None:
    """A row could not be written."""
    errors = [report.recorder_error for report in case.data.reports if report.recorder_error]
    if not errors:
        return None
    text = f"Rows were lost because the recorder failed: {errors[0]}."
    return finding(RECORDER, Verdict.INVALID, text, "Make room on the disk and measure again.")


def conservation(case: TrialCase) -> Finding | None:
    """Scheduled = sent + not_sent, sent = the sum of all outcomes, and the counters agree with the rows on disk."""
    if case.data.rows is None:
        return None
    rows = RowColumns(case.data.rows)
    broken = [text for report in case.data.reports if report.final for text in _imbalances(report, rows)]
    if not broken:
        return None
    text = f"The counters and the rows on disk disagree: {broken[0]}" + (
        f" (and {len(broken) - 1} more)." if broken[1:] else "."
    )
    remedy = "Do not use these numbers: requests were lost or counted twice on the way to the disk. Measure again."
    return finding(CONSERVATION, Verdict.INVALID, text, remedy, imbalances=len(broken))


def _imbalances(report: LoadReport, rows: RowColumns) -> list[str]:
    name = f"worker {report.worker}"
    outcomes = sum(getattr(report, outcome) for outcome in _COUNTED if outcome != "not_sent")
    of_worker = rows["outcome"][rows["worker"] == report.worker]
    found = np.bincount(of_worker, minlength=len(Outcome))
    pairs = [
        (f"{name} scheduled", report.scheduled, "sent or could not send", report.sent + report.not_sent),
        (f"{name} sent", report.sent, "accounts for", outcomes),
        (f"{name} wrote", report.rows_written, "rows on disk are", int(of_worker.size)),
    ]
    pairs += [
        (f"{name} counted as {outcome}", getattr(report, outcome), "rows say", int(found[Outcome[outcome.upper()]]))
        for outcome in _COUNTED
    ]
    return [
        f"{subject} {grouped(ours)}, {verb} {grouped(theirs)}"
        for subject, ours, verb, theirs in pairs
        if ours != theirs
    ]


def clock_offset(case: TrialCase) -> Finding | None:
    """Workers ran on other machines: their instants were put on the master's clock, as well as it is known.

    No latency is concerned, since each is computed from instants of one machine.
    """
    reports = [report for report in case.data.reports if report.clock_error_ns != 0]
    if not reports:
        return None
    unknown = [report.worker for report in reports if report.clock_error_ns is None]
    if unknown:
        names = ", ".join(map(str, unknown))
        text = f"The offset of worker {names}'s clock from the master's is not known: its rows have wrong times."
        return finding(CLOCK_OFFSET, Verdict.DEGRADED, text, "Find out why the master did not reply to it.")
    worst_ms = max(report.clock_error_ns or 0 for report in reports) / NS_PER_MS
    apart_ms = max(abs(report.clock_offset_ns) for report in reports) / NS_PER_MS
    text = (
        f"{len(reports)} workers ran by clocks of their own, up to {grouped(apart_ms)} ms from the master's; that is "
        f"known to \u00b1{milliseconds(worst_ms)}."
    )
    verdict = Verdict.DEGRADED if worst_ms > CLOCK_ERROR_MS else Verdict.VALID
    remedy = "Rates and timelines are uncertain by that much; response times are not affected."
    return finding(CLOCK_OFFSET, verdict, text, remedy, error_ms=worst_ms, apart_ms=apart_ms)


def clock_step(case: TrialCase) -> Finding | None:
    """An instant lies before one that must come first."""
    if case.rows is None:
        return None
    rows = case.rows.everything
    due, sent, first, done = (rows[name] for name in ("due_ns", "sent_ns", "first_byte_ns", "done_ns"))
    known = sent != ABSENT
    backward = (known & (sent - due < EARLY_NS)) | (known & (done != ABSENT) & (done < sent))
    backward |= (first != ABSENT) & (done != ABSENT) & (done < first)
    count = int(np.count_nonzero(backward))
    if not count:
        return None
    text = f"In {grouped(count)} rows time runs backwards (sent more than 1 ms early, or done before sent)."
    remedy = "All workers of a trial must run on one machine with a steady clock; measure again there."
    return finding(CLOCK_STEP, Verdict.INVALID, text, remedy, rows=count)
