"""The report of a load process on one trial: its counts, phases and health; and a running trial's progress.

The counts are kept apart from the rows on purpose: conservation is checked by comparing the two.
Written as `load.json` (`load-<worker>.json` where there are several) in the trial's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.clock import NS_PER_S
from harness.record.histogram import DurationHistogram

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BY_LOCUSTFILE = "ended by the locustfile"


class LoopHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Could the generator keep up? Durations in nanoseconds, over the measure phase."""

    cpu_ns: int  # CPU time of the load process
    wall_ns: int
    loop_lag_p50_ns: int | None = None  # how late a 10 ms ticker in the same event loop ran
    loop_lag_p99_ns: int | None = None
    loop_lag_max_ns: int | None = None
    gc_pause_ns: int = 0
    gc_collections: int = 0
    stalls_ns: tuple[
        tuple[int, int], ...
    ] = ()  # from and until when that ticker was more than 20 ms late; at most 1 000


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """One load process, one trial."""

    worker: int
    pid: int
    final: bool  # False in a snapshot, True when the process ended in order
    sequence: int = 0
    stop_reason: str  # "measured", "time", "SIGINT", "SIGTERM", "target died", BY_LOCUSTFILE, ...
    start_ns: int  # instants on CLOCK_MONOTONIC
    counted_ns: int | None = None  # when these counts were taken; None in reports of earlier versions
    measure_start_ns: int | None
    measure_end_ns: int | None
    drain_end_ns: int | None
    scheduled: int
    not_sent: int
    sent: int
    ok: int
    wrong: int
    error: int
    timeout: int
    rejected: int
    aborted: int
    cancelled: int = 0  # users hung up on purpose
    rows_written: int
    recorder_error: str | None = None
    resent: int = 0  # sent again because the idle connection had been closed; counted once in `sent`
    unasked: int = 0  # times that bytes came which no request had asked for; each ended its connection
    reconnects: int = 0  # connections that were opened again, which took `reconnect_ns` in all
    reconnect_ns: int = 0
    tolerance: tuple[float, float] | None = None  # of checked responses, relative and absolute; None: none is checked
    zeros_pass: float | None = None  # share of payloads whose expected values, not all 0, are within that of 0
    neighbours_pass: float | None = None  # share of payloads whose expected whole numbers may be wrong by 1
    checked: int = 0  # answers fully decoded and compared (or identical to one that was)
    request_classes: tuple[str, ...] = ("predict",)
    class_slos: tuple[str, ...] = ()  # of each request class, "" where it has none of its own
    servers: tuple[str, ...] = ()  # over which conversations were spread, where they are several
    errors: dict[str, int] = {}  # text of the failure -> count; at most 100 texts, the rest under "other"
    disbelieved: dict[str, int] = {}  # what a server said of itself that cannot be true -> count
    unnoticed: dict[str, int] = {}  # failure that a response reports, which a user's task took as good -> count
    users_lowest: int | None = None  # the fewest users that were there during the measure phase
    users_highest: int | None = None  # the most users, likewise
    task_errors: dict[str, int] = {}  # type and line of an exception that users raised -> count
    protocol: str = ""
    # Users are Python code that may wait between requests, for a time that is not known.
    user_paced: bool = msgspec.field(default=False, name="own_pace")
    health: LoopHealth | None = None
    versions: dict[str, str] = {}
    # Of good responses to requests that were due in the measure phase; by bucket of `harness.record.histogram`.
    response_times: dict[int, int] = {}
    clock_offset_ns: int = 0  # added to instants of this worker's machine to get those of the master's
    clock_error_ns: int | None = 0  # how far that may be off; None: the master's clock is not known here


@dataclass(frozen=True, slots=True)
class Live:
    """Progress of a trial in the `seconds` since its measure phase began; percentiles to within 1 %."""

    seconds: float
    answered: int  # good responses to requests due in the measure phase
    failed: int  # in all phases
    p50_ms: float | None
    p99_ms: float | None

    @property
    def rate_rps(self) -> float:
        """Good responses per second."""
        return self.answered / self.seconds


def ran_elsewhere(reports: Iterable[LoadReport]) -> bool:
    """Whether load processes ran on other machines, by clocks of their own: the samplers did not see them."""
    return any(report.clock_error_ns != 0 for report in reports)


def live_of(reports: Sequence[LoadReport], now_ns: int) -> Live | None:
    """The progress by the newest report of every load process; None before the measure phase."""
    begun = [report.measure_start_ns for report in reports if report.measure_start_ns is not None]
    if not begun:
        return None
    counted_ns = [_counted_until_ns(report, now_ns) for report in reports if report.measure_start_ns is not None]
    seconds = (sum(counted_ns) / len(counted_ns) - min(begun)) / NS_PER_S
    if seconds <= 0:
        return None
    total = DurationHistogram.sum_of(report.response_times for report in reports)
    failed = sum(
        report.wrong + report.error + report.timeout + report.rejected + report.aborted + report.not_sent
        for report in reports
    )
    return Live(seconds, total.count, failed, total.quantile_ms(0.5), total.quantile_ms(0.99))


def _counted_until_ns(report: LoadReport, now_ns: int) -> int:
    """The end of the time whose responses are counted: the counts may be a second old, and the measure phase over."""
    ends_ns = (now_ns, report.counted_ns, report.measure_end_ns)
    return min(end_ns for end_ns in ends_ns if end_ns is not None)
