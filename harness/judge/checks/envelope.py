"""Checks whether a point lies within the load generator's limits, as calibrated against a server that does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.clock import NS_PER_MS
from harness.judge.checks.case import finding, grade, worst
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure, milliseconds, percent
from harness.judge.stats.quantiles import quantile

if TYPE_CHECKING:
    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding

ENVELOPE = FindingKind("envelope", "Outside the calibrated envelope")
RATE_SHARE = (0.5, 0.9)  # of the greatest rate (degraded above, invalid above)
FLOOR_SHARE = (0.5, 1.0)  # of the response time; above 1 nothing but the generator and the way was measured
FLOOR_NOISE = 1.25  # the floor of a later run may be that much lower than the calibrated one


def outside_envelope(case: TrialCase) -> Finding | None:
    """The rate is near the generator's greatest, or the response time near the least that it can see."""
    envelope = case.data.envelope
    if envelope is None or case.data.in_process or not case.response_ns.size:
        return None
    processes = max(1, case.data.load_processes)
    greatest_rps = envelope.greatest_rps * processes
    rate_share = case.metrics.throughput_rps.value / greatest_rps
    p50_ms = quantile(case.response_ns, 0.5) / NS_PER_MS
    floor_share = envelope.floor_ms / FLOOR_NOISE / max(p50_ms, 1e-9)
    verdicts = grade(rate_share, *RATE_SHARE), grade(floor_share, *FLOOR_SHARE)
    if worst(verdicts) is Verdict.VALID:
        return None
    parts = []
    if verdicts[0] is not Verdict.VALID:
        parts.append(f"the rate is {percent(rate_share)} of the greatest ({figure(greatest_rps, 3)}/s)")
    if verdicts[1] is not Verdict.VALID:
        least = milliseconds(envelope.floor_ms)
        parts.append(f"the median response time, {milliseconds(p50_ms)}, is near the least there is ({least})")
    text = f"At the edge of what this load generator was calibrated to do on this machine: {' and '.join(parts)}."
    more = f"use --load-processes {processes + 1} or a second machine, or a larger model"
    remedy = f"The target may be faster than this shows: {more}."
    data = {"rate_share": rate_share, "floor_share": floor_share}
    return finding(ENVELOPE, worst(verdicts), text, remedy, **data)
