"""Names of points, verdicts and findings in reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.judge.findings import Verdict
from harness.judge.phrases import level_words
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
_THIN = "\u202f"  # a space that Python does not call printable


def load_label(point: PointMetrics) -> str:
    """`32 users`, `500 req/s requested`, or the name of the arrival process."""
    words = level_words(point.concurrency, point.rate_target_rps, point.arrivals)
    return f"{words} requested" if point.concurrency is None and point.rate_target_rps is not None else words


def load_number(point: PointMetrics) -> float | None:
    """The load level as a number: users, or requested requests per second."""
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
    return list(dict.fromkeys(finding.kind for finding in doubts))


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
