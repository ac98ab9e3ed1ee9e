"""What points, verdicts and findings are called in reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure
from harness.plan.knobs import setting_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.judge.findings import JudgedPoint
    from harness.judge.metrics import PointMetrics

SEVERITY = {Verdict.INVALID: 0, Verdict.DEGRADED: 1, Verdict.VALID: 2}
VERDICT_MEANING = {
    Verdict.VALID: "believe it",
    Verdict.DEGRADED: "true, but read the findings",
    Verdict.INVALID: "not a measurement of the target",
}
_THIN = "\u202f\u2009"  # spaces that Python does not call printable
_TITLES = {
    FindingKind.CONSERVATION: "Requests are unaccounted for",
    FindingKind.RECORDER: "The recorder failed",
    FindingKind.LITTLES_LAW: "Little\u2019s law does not hold",
    FindingKind.LATENESS: "Requests left late",
    FindingKind.RATE: "The asked rate was not reached",
    FindingKind.ARRIVAL_PROCESS: "Arrivals were not the process asked for",
    FindingKind.NOT_SENT: "Requests were due but not sent",
    FindingKind.GENERATOR_CPU: "The load generator was busy",
    FindingKind.LOOP_LAG: "The generator\u2019s event loop lagged",
    FindingKind.GC_PAUSE: "Garbage collection stopped the generator",
    FindingKind.SAMPLER: "Resource samples are missing or late",
    FindingKind.STEAL: "The hypervisor took time away",
    FindingKind.NEIGHBOURS: "Others were busy on this machine",
    FindingKind.HARMED: "Others kept target or load from running",
    FindingKind.LOST_WORKER: "A load worker was lost",
    FindingKind.CLOCK_STEP: "A clock stepped",
    FindingKind.CLOCK_OFFSET: "Workers have clocks of their own",
    FindingKind.TOO_FEW_SAMPLES: "Too few samples for some percentiles",
    FindingKind.UNSTEADY: "No steady state",
    FindingKind.ERRORS: "Requests failed",
    FindingKind.WRONG_ANSWERS: "Answers were wrong",
    FindingKind.REJECTIONS: "The target rejected requests",
    FindingKind.UNAVAILABLE: "The target did not serve for a part of the time",
    FindingKind.UNEQUAL_USERS: "Users were not served alike",
    FindingKind.CACHED: "A cache answered",
    FindingKind.SLOW_FIRST: "First requests were slower",
    FindingKind.SLOWDOWN: "The target became slower and slower",
    FindingKind.UNCHECKED: "Answers were not all checked",
    FindingKind.TARGET_DIED: "The target died",
    FindingKind.LOAD_DIED: "The load generator died",
    FindingKind.SATURATED: "The target was saturated",
    FindingKind.NOT_ISOLATED: "Target and generator shared cores",
    FindingKind.ENVELOPE: "Outside the calibrated envelope",
    FindingKind.LEFT_OUT: "A repeat is left out",
    FindingKind.REPEATS_DISAGREE: "Repeats disagree",
    FindingKind.IMPRECISE: "Not as precise as asked for",
    FindingKind.DIVERGED: "Training diverged",
    FindingKind.TRAINER_DIED: "The trainer died",
    FindingKind.EPOCHS_MISSING: "Epochs are missing",
    FindingKind.NOT_LEARNED: "Nothing was learned",
    FindingKind.OVERFITTING: "Overfitting",
    FindingKind.UNDERFITTING: "Underfitting",
    FindingKind.UNCONVERGED: "Still learning at the end",
    FindingKind.TOO_FEW_SEEDS: "Too few seeds",
    FindingKind.UNEQUAL_SEEDS: "Values were not trained from the same seeds",
}


def finding_title(kind: FindingKind) -> str:
    """What a kind of finding is called in a heading."""
    return _TITLES.get(kind) or kind.value.replace("_", " ").capitalize()


def load_label(point: PointMetrics) -> str:
    """`32 users`, `500 req/s`, or the name of the arrival process."""
    if point.concurrency is not None:
        return f"{point.concurrency} user{'' if point.concurrency == 1 else 's'}"
    if point.rate_target_rps is not None:
        return f"{figure(point.rate_target_rps, 4)} req/s asked"
    return point.arrivals


def load_number(point: PointMetrics) -> float | None:
    """The load level as a number: users, or asked requests per second."""
    return float(point.concurrency) if point.concurrency is not None else point.rate_target_rps


def point_label(point: PointMetrics) -> str:
    """`batch_size=4, 32 users`."""
    return ", ".join(part for part in (setting_text(point.setting), load_label(point)) if part)


def reasons(point: JudgedPoint) -> list[str]:
    """The kinds of the findings that took trust away, each once, the worst first."""
    doubts = sorted(
        (finding for finding in point.findings if finding.verdict is not Verdict.VALID),
        key=lambda finding: SEVERITY[finding.verdict],
    )
    return list(dict.fromkeys(finding.kind.value for finding in doubts))


def printable(text: str) -> str:
    """Without control characters: what a server said must not steer a terminal."""
    return "".join(sign if sign.isprintable() or sign in _THIN else " " for sign in text)


def verdict_counts(points: Iterable[JudgedPoint]) -> str:
    """`14 points VALID, 2 DEGRADED`."""
    verdicts = [point.verdict for point in points]
    found = [(verdicts.count(verdict), verdict) for verdict in Verdict if verdict in verdicts]
    if not found:
        return "no points"
    (first, verdict), *others = found
    head = f"{first} point{'' if first == 1 else 's'} {verdict}"
    return ", ".join([head, *(f"{number} {verdict}" for number, verdict in others)])
