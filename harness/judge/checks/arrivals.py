"""Checks whether an open loop sent its requests at the rate and with the spread of the arrival process.

Tested in operational time: an instant counts as the number of requests that were to be sent by then. A process of any
rate, ramps and steps included, is then one of a constant rate, which is even over the window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_S
from harness.judge.checks.case import finding, grade, worst
from harness.judge.checks.generator import more_power
from harness.judge.findings import FindingKind, Verdict
from harness.judge.number_text import figure
from harness.judge.stats.mean_intervals import batch_rates
from harness.plan.arrivals import OpenProcess

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.judge.checks.case import TrialCase
    from harness.judge.findings import Finding

RATE = FindingKind("rate", "The requested rate was not reached")
ARRIVAL_PROCESS = FindingKind("arrival_process", "Arrivals did not follow the requested process", lengthens=True)
# (degraded above, invalid above)
RATE_SHARE = (0.005, 0.02)
KS_DISTANCE = (0.02, 0.05)
SCATTER_OFF = (0.1, 0.3)  # of the coefficient of variation
LEAST_PER_STRETCH = 50
SPREADS_PER_STRETCH = (
    10  # times cv^2: a count scatters by cv^2 only where it is of many more gaps (Cox 1962, chapter 4)
)
FEWEST_STRETCHES = 10
_TICKS = 1_000_000  # per expected request: operational time as whole numbers


@dataclass(frozen=True, slots=True)
class _Sent:
    """What went out in the window, in operational time: millionths of a request."""

    at: NDArray[np.int64]  # in any order
    start: int
    end: int
    gap_cv: float  # of the arrival process

    @property
    def expected(self) -> float:
        """How many were to be sent."""
        return (self.end - self.start) / _TICKS


def rate(case: TrialCase) -> Finding | None:
    """More or fewer requests went out than were requested."""
    sent = _sent(case)
    if sent is None or case.rows is None or sent.expected <= 0:
        return None
    chance = 3 * sent.gap_cv / math.sqrt(sent.expected) + 1 / sent.expected
    off = abs(sent.at.size - sent.expected) / sent.expected
    verdict = grade(off, max(RATE_SHARE[0], chance), max(RATE_SHARE[1], 2 * chance))
    if verdict is Verdict.VALID:
        return None
    seconds = case.rows.window.seconds
    found, asked = figure(sent.at.size / seconds, 3), figure(sent.expected / seconds, 3)
    return finding(RATE, verdict, f"{found} requests/s went out instead of {asked}.", more_power(case), off=off)


def arrival_process(case: TrialCase) -> Finding | None:
    """The requests were not spread as the process says, or did not scatter as it does.

    Their instants must be even over the window (Kolmogorov-Smirnov), and the counts in stretches of 50 requests or more
    must scatter as the process does; single gaps are not looked at, since a timer's error of 0.1 ms shows in them at
    any high rate and matters no more than its lateness.
    """
    sent = _sent(case)
    if sent is None:
        return None
    cv = sent.gap_cv
    stretches = int(sent.at.size / max(LEAST_PER_STRETCH, SPREADS_PER_STRETCH * cv**2))
    if stretches < FEWEST_STRETCHES:
        return None
    distance = _uniform_distance(sent)
    counts = batch_rates(sent.at, sent.start, sent.end, stretches)
    counts = counts / counts.mean() * sent.at.size / stretches
    found_cv = math.sqrt(float(counts.var(ddof=1) / counts.mean()))
    by_distance = grade(distance, *(max(limit, 1.95 * cv / math.sqrt(sent.at.size)) for limit in KS_DISTANCE))
    by_scatter = grade(abs(found_cv - cv), *(limit + 3 * cv / math.sqrt(2 * stretches) for limit in SCATTER_OFF))
    verdict = worst((by_distance, by_scatter))
    if verdict is Verdict.VALID:
        return None
    text = (
        f"The arrivals did not follow the requested process: {figure(distance)} away from an even spread "
        f"(Kolmogorov-Smirnov), with a coefficient of variation of {figure(found_cv)} instead of {figure(cv)}."
    )
    return finding(ARRIVAL_PROCESS, verdict, text, more_power(case), distance=distance, cv=found_cv)


def _sent(case: TrialCase) -> _Sent | None:
    arrivals = case.data.point.arrivals
    if case.rows is None or not isinstance(arrivals, OpenProcess):
        return None
    window = case.rows.window
    sent_ns = case.rows.everything["sent_ns"]
    instants_ns = np.concatenate(([window.start_ns, window.end_ns], sent_ns[window.holds(sent_ns)]))
    offsets_s = (instants_ns - window.start_ns) / NS_PER_S
    offsets_s += case.data.warmup_seconds
    if (expected := arrivals.expected_by(offsets_s)) is None:
        return None
    at = np.rint(expected * _TICKS).astype(np.int64)
    return _Sent(at[2:], int(at[0]), int(at[1]), arrivals.gap_cv)


def _uniform_distance(sent: _Sent) -> float:
    """Kolmogorov-Smirnov distance to the uniform distribution on [start, end)."""
    at = (np.sort(sent.at) - sent.start) / (sent.end - sent.start)
    count = at.size
    above = np.arange(1, count + 1) / count - at
    below = at - np.arange(count) / count
    return float(max(above.max(), below.max()))
