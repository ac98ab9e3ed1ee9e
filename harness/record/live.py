"""A trial while it runs: what its load processes have said so far, put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S
from harness.record.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.record.load_report import GeneratorReport


@dataclass(frozen=True, slots=True)
class Live:
    """From the start of the measure phase on; percentiles of the response time to within 1 %."""

    seconds: float
    answered: int  # good answers to requests due in the measure phase
    failed: int  # in all phases
    p50_ms: float | None
    p99_ms: float | None

    @property
    def rate_rps(self) -> float:
        """Good answers per second."""
        return self.answered / self.seconds


def live_of(reports: Sequence[GeneratorReport], now_ns: int) -> Live | None:
    """The sum over the load processes' newest reports; None before anything is measured."""
    begun = [report.measure_start_ns for report in reports if report.measure_start_ns is not None]
    if not begun or (since_ns := now_ns - min(begun)) <= 0:
        return None
    total = Histogram.sum_of(Histogram.decode(report.responses) for report in reports if report.responses)
    failed = sum(report.wrong + report.error + report.timeout + report.rejected for report in reports)
    return Live(since_ns / NS_PER_S, total.count, failed, total.quantile_ms(0.5), total.quantile_ms(0.99))
