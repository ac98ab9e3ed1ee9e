"""The load of one process and one trial: its connections, arrivals, counters and rows, from start to end.

It is independent of any event loop. The caller must call `engine.turn()` when `engine.fileno()` is readable, write rows
at least once a second, and call `keep_phases`.
"""

from __future__ import annotations

import os
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import UserError
from harness.files import replacing
from harness.measure.load.clock_offset import SAME
from harness.measure.load.engine import DueTimes
from harness.measure.load.ledger import Ledger
from harness.measure.load.loop_health import LoopMonitor
from harness.measure.load.payloads.payload_sets import leniency_of
from harness.measure.load.payloads.request_classes import RequestClassTable
from harness.measure.load.phases import NEVER_NS, Phases
from harness.measure.load.user_counts import UserCounts
from harness.record.histogram import DurationHistogram
from harness.record.load_report import LoadReport
from harness.record.recorder import Recorder
from harness.record.rows import NOTED, Outcome, Phase
from harness.wire.credentials import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.measure.load.clock_offset import ClockOffset
    from harness.measure.load.engine import Engine
    from harness.measure.load.ledger import Places
    from harness.measure.load.payloads.payload_sets import ResponseReader
    from harness.measure.load.payloads.request_classes import RequestSet
    from harness.plan.load_settings import TrialLoad
    from harness.record.recorder import Rows

_PACKAGES = ("locust", "gevent", "httptools", "hpack", "protobuf", "numpy", "orjson")


class ArrivalLoop(DueTimes, Protocol):
    """Decides when requests are due: a closed loop, an open loop, or users that follow a schedule."""

    @property
    def exhausted(self) -> bool:
        """Whether the arrivals have come to their own end."""

    def start(self, origin_ns: int) -> None:
        """Begin; a schedule counts from `origin_ns`."""

    def add_user(self) -> int:
        """Locust has started a user. Returns its number."""

    def remove_user(self, user: int) -> None:
        """Locust has stopped that user; its open request is still waited for."""

    def stop(self) -> None:
        """No further request is due."""


class Load:
    """Everything that one load process has for one trial. `attach` completes it."""

    engine: Engine
    loop: ArrivalLoop

    def __init__(
        self,
        settings: TrialLoad,
        sets: Sequence[RequestSet],
        reader: ResponseReader,
        make_ledger: Callable[[Recorder, ResponseReader, Places, Phases, int], Ledger] = Ledger,
    ) -> None:
        folder = Path(settings.trial_dir)
        make_folder(folder)
        self.settings = settings
        self.phases = Phases()
        self.health = LoopMonitor()
        self.recorder = Recorder(folder / f"requests{settings.suffix}.arrow", noted=NOTED)
        self.classes = RequestClassTable(sets, settings.model)
        self.ledger = make_ledger(self.recorder, reader, self.classes.places, self.phases, settings.worker)
        self.users = UserCounts()
        self.servers: tuple[str, ...] = ()
        self._leniency = leniency_of(sets)
        self.stop_reason: str | None = None
        self.response_times = DurationHistogram()
        self.clock: ClockOffset | None = SAME  # to the master's clock; None: not known yet
        self.codec = sets[0].codec if sets else None
        self.access = Access.find(Path(settings.tls_ca) if settings.tls_ca else None)
        self.ledger.secrets = tuple(each.encode() for each in self.access.secrets)
        self._report_path = folder / f"load{settings.suffix}.json"
        self._start_ns = monotonic_ns()
        self._drain_end_ns: int | None = None
        self._sequence = 0
        self._measuring = False
        self._versions = _versions()

    def attach(self, engine: Engine, loop: ArrivalLoop, rate_rps: float = 0.0) -> None:
        """Use this engine and these arrivals. `rate_rps`: the highest rate of an open loop, as far as it is known."""
        self.engine, self.loop = engine, loop
        engine.attach(loop, rate_rps)

    def open(self) -> None:
        """Create the files and begin to measure garbage collections."""
        self.ledger.open()
        self.health.watch_gc()

    def begin_phases(self, origin_ns: int) -> None:
        """Start the warm-up at `origin_ns`. Only the first call has an effect."""
        if self.phases.measure_start_ns == NEVER_NS:
            self.phases.measure_start_ns = origin_ns + round(self.settings.warmup_s * NS_PER_S)
            if self.settings.measure_s is not None:
                end_ns = self.phases.measure_start_ns + round(self.settings.measure_s * NS_PER_S)
                self.phases.measure_end_ns = min(self.phases.measure_end_ns, end_ns)

    def keep_phases(self, now_ns: int) -> bool:
        """Monitor the event loop during the measure phase. Returns True once that phase is over."""
        if not self._measuring and now_ns >= self.phases.measure_start_ns:
            self._measuring = True
            self.health.begin()
        if now_ns >= self.phases.measure_end_ns:
            self.health.end()
            return True
        return False

    @property
    def measuring(self) -> bool:
        """Whether the measure phase has begun."""
        return self._measuring

    def count_response_times(self, rows: Rows) -> None:
        """Add the good responses to the histogram that is part of each report."""
        good = (rows["outcome"] == Outcome.OK) & (rows["phase"] == Phase.MEASURE)
        if good.any():
            self.response_times.add((rows["done_ns"] - rows["due_ns"])[good])

    def write_snapshot(self) -> None:
        """Write the counts as they are now, in case this process does not live to the end."""
        self._write_report(final=False)

    def finish(self, reason: str) -> Rows:
        """Abort open requests, write everything and close all files and sockets. Returns the last rows."""
        now_ns = monotonic_ns()
        self.stop_reason = self.stop_reason or reason
        self.phases.end(now_ns)
        self.loop.stop()
        self.engine.abort(now_ns)
        self._drain_end_ns = now_ns
        self.health.end()
        self.health.unwatch_gc()
        rows = self.ledger.take()
        self.ledger.write(rows)
        self.count_response_times(rows)
        self.ledger.close()
        self._write_report(final=True)
        self.engine.close()
        return rows

    def report(self, *, final: bool) -> LoadReport:
        """The counts, phases and health of this process as they are now."""
        ledger, phases = self.ledger, self.phases
        ended: dict[str, Any] = {outcome.name.lower(): ledger.ended[outcome] for outcome in Outcome}
        return LoadReport(
            worker=self.settings.worker,
            pid=os.getpid(),
            final=final,
            sequence=self._sequence,
            stop_reason=self.stop_reason or "",
            start_ns=self._start_ns,
            counted_ns=monotonic_ns(),
            measure_start_ns=_known(phases.measure_start_ns),
            measure_end_ns=_known(phases.measure_end_ns),
            drain_end_ns=self._drain_end_ns,
            scheduled=ledger.scheduled,
            sent=ledger.sent,
            **ended,
            rows_written=self.recorder.rows_written,
            recorder_error=self.recorder.error,
            resent=ledger.resent,
            unasked=ledger.unasked,
            reconnects=ledger.reconnects,
            reconnect_ns=ledger.reconnect_ns,
            checked=ledger.checked,
            **self._leniency._asdict(),
            request_classes=tuple(self.classes.names),
            class_slos=tuple(self.classes.slos),
            servers=self.servers,
            errors=dict(Counter(ledger.observed_errors) + Counter(ledger.errors)),
            disbelieved=ledger.disbelieved,
            unnoticed=ledger.unnoticed,
            user_paced=ledger.user_paced,
            users_lowest=self.users.lowest,
            users_highest=self.users.highest,
            task_errors=self.users.exceptions,
            protocol=self.codec.name if self.codec else "",
            health=self.health.report() if final else None,
            versions=self._versions,
            response_times=self.response_times.counts,
            clock_offset_ns=self.clock.offset_ns if self.clock else 0,
            clock_error_ns=self.clock.error_ns if self.clock else None,
        )

    def _write_report(self, *, final: bool) -> None:
        content = msgspec.json.encode(self.report(final=final))
        self._sequence += 1
        try:
            with replacing(self._report_path) as partial:
                partial.write_bytes(content)
        except OSError as error:
            self.recorder.error = self.recorder.error or f"{self._report_path.name}: {error.strerror or error}"


def make_folder(path: Path) -> None:
    """Create the trial's folder where it does not exist. Raises UserError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--trial-dir {path}: cannot make this folder ({error.strerror}); choose another") from error


def _known(instant_ns: int) -> int | None:
    return None if instant_ns == NEVER_NS else instant_ns


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
