"""Everything that was measured in one trial, before anything is computed from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

    from harness.plan.plan import Point, Trial
    from harness.record.load_report import LoadReport
    from harness.record.machine.envelope import Envelope
    from harness.record.server.statistics import ServerStatistics


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialData:
    """What one trial left on disk.

    rows: `harness.record.rows.row_schema()`, all shards and phases, in any order; None where no shard could be read.
    samples: `harness.record.samples.sample_schema()`; None where the samplers wrote nothing.
    reports: the last report of every load process that wrote one.
    """

    trial: Trial
    point: Point
    rows: pa.Table | None = None
    samples: pa.Table | None = None
    tokens: pa.Table | None = None  # `harness.record.token_times.token_schema()`; None where answers were not streamed
    reports: tuple[LoadReport, ...] = ()
    failure: str | None = None  # why the trial did not end in order, in words
    sampler_failure: str | None = None  # why the samplers ended too early, in words
    damaged: tuple[str, ...] = ()  # names of files that were changed since, or of which something cannot be read
    start_failure: str | None = None  # why the target could not be started
    target_died: bool = False
    first_response_s: float | None = None  # of the request that was sent before the load; None where none was
    isolated: bool | None = True  # target and load each had cores of their own; None: not known
    has_log: bool = True  # the target's output was kept: the harness started it
    in_process: bool = False  # the model lives in the load process
    check_off: bool = False  # the user asked that no response be compared
    warmup_seconds: float = 0.0  # from the start of an open loop's schedule to that of the measure phase
    load_processes: int = 1  # how many should have written a report
    statistics: ServerStatistics | None = None  # what a server that is not ours said of itself, again and again
    envelope: Envelope | None = None  # of one load process on this machine; None where it was never calibrated
