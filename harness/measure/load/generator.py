"""A load: everything one load process needs for one trial, put together and taken apart again.

It knows no event loop: its owner has the descriptor watched, writes rows at least once a second, and says when
phases change.
"""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from harness.clock import NS_PER_S, monotonic_ns
from harness.files import replacing
from harness.measure.load.ledger import Ledger
from harness.measure.load.locust.clock_offset import SAME
from harness.measure.load.loop_health import HealthMeter
from harness.measure.load.payloads.request_classes import ClassBook
from harness.measure.load.phases import NEVER_NS, Phases
from harness.record.histogram import DurationHistogram
from harness.record.load_report import LoadReport
from harness.record.recorder import Recorder
from harness.record.rows import NOTED, Outcome, Phase
from harness.wire.credentials import Access

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.measure.load.ledger import Places
    from harness.measure.load.locust.clock_offset import ClockOffset
    from harness.measure.load.payloads.payload_sets import Reading
    from harness.measure.load.payloads.request_classes import RequestSet
    from harness.plan.load_settings import TrialLoad
    from harness.record.recorder import Rows

_PACKAGES = ("locust", "gevent", "httptools", "hpack", "protobuf", "numpy", "orjson")


class Driver(Protocol):
    """What makes requests happen: the engine with its arrivals, or the in-process pool with its own."""

    @property
    def in_flight(self) -> int:
        """How many requests are open."""

    def add_user(self) -> int:
        """A user arrives; its number."""

    def remove_user(self, user: int) -> None:
        """A user leaves."""

    def stop(self) -> None:
        """Nothing is due any more; what is open goes on."""

    def abort(self, now_ns: int) -> None:
        """Give up what is open."""

    def close(self) -> None:
        """Give everything back."""


class Load:
    """The books, the phases and the driver of one load process."""

    def __init__(
        self,
        settings: TrialLoad,
        sets: Sequence[RequestSet],
        reading: Reading,
        make_ledger: Callable[[Recorder, Reading, Places, Phases, int], Ledger] = Ledger,
    ) -> None:
        self.settings = settings
        folder = Path(settings.trial_dir)
        self.phases = Phases()
        self.health = HealthMeter()
        self.recorder = Recorder(folder / f"requests{settings.suffix}.arrow", noted=NOTED)
        self.classes = ClassBook(sets, settings.model)
        self.ledger = make_ledger(self.recorder, reading, self.classes.places, self.phases, settings.worker)
        self.stop_reason: str | None = None
        self.responses = DurationHistogram()
        self.clock: ClockOffset | None = SAME  # of the master, where there is one; None: not known
        self.codec = sets[0].codec if sets else None
        self.access = Access.find(Path(settings.tls_ca) if settings.tls_ca else None)
        self.ledger.secret = self.access.token.encode()
        self._report_path = folder / f"load{settings.suffix}.json"
        self._start_ns = monotonic_ns()
        self._drain_end_ns: int | None = None
        self._sequence = 0
        self._measuring = False
        self._versions = _versions()

    def open(self) -> None:
        """Make the files."""
        self.ledger.open()
        self.health.watch_gc()

    def begin_phases(self, origin_ns: int) -> None:
        """Warm-up starts at `origin_ns`; later calls change nothing."""
        if self.phases.measure_start_ns == NEVER_NS:
            self.phases.measure_start_ns = origin_ns + round(self.settings.warmup_s * NS_PER_S)
            if self.settings.measure_s is not None:
                end_ns = self.phases.measure_start_ns + round(self.settings.measure_s * NS_PER_S)
                self.phases.measure_end_ns = min(self.phases.measure_end_ns, end_ns)

    def keep_phases(self, now_ns: int) -> bool:
        """Start and end measuring the generator with the measure phase; True once that phase is over."""
        if not self._measuring and now_ns >= self.phases.measure_start_ns:
            self._measuring = True
            self.health.begin()
        if now_ns >= self.phases.measure_end_ns:
            self.health.end()
            return True
        return False

    def take(self) -> Rows:
        """The rows since the last time; they must then be given to `write`."""
        return self.ledger.take()

    def write(self, rows: Rows) -> None:
        """Append rows to the file."""
        self.ledger.write(rows)

    def count_responses(self, rows: Rows) -> None:
        """Count rows in the histogram that snapshots carry."""
        good = (rows["outcome"] == Outcome.OK) & (rows["phase"] == Phase.MEASURE)
        if good.any():
            self.responses.add((rows["done_ns"] - rows["due_ns"])[good])

    def write_snapshot(self) -> None:
        """What the books say now, for the case that this process does not live to the end."""
        self._write_report(final=False)

    def finish(self, driver: Driver, reason: str) -> Rows:
        """Give up what is open, write everything, end the books. Returns the last rows."""
        now_ns = monotonic_ns()
        self.stop_reason = self.stop_reason or reason
        self.phases.end(now_ns)
        driver.stop()
        driver.abort(now_ns)
        self._drain_end_ns = now_ns
        self.health.end()
        self.health.unwatch_gc()
        rows = self.ledger.take()
        self.ledger.write(rows)
        self.count_responses(rows)
        self.ledger.close()
        self._write_report(final=True)
        driver.close()
        return rows

    def report(self, *, final: bool) -> LoadReport:
        """What this process says of itself now."""
        ledger, phases = self.ledger, self.phases
        ended: dict[str, Any] = {outcome.name.lower(): ledger.ended[outcome] for outcome in Outcome}
        return LoadReport(
            worker=self.settings.worker,
            pid=os.getpid(),
            final=final,
            sequence=self._sequence,
            stop_reason=self.stop_reason or "",
            start_ns=self._start_ns,
            measure_start_ns=_known(phases.measure_start_ns),
            measure_end_ns=_known(phases.measure_end_ns),
            drain_end_ns=self._drain_end_ns,
            scheduled=ledger.scheduled,
            sent=ledger.sent,
            **ended,
            rows_written=self.recorder.rows_written,
            recorder_error=self.recorder.error,
            resent=ledger.resent,
            checked=ledger.checked,
            request_classes=tuple(self.classes.names),
            class_slos=tuple(self.classes.slos),
            errors={**ledger.observed_errors, **ledger.errors},
            own_pace=ledger.own_pace,
            protocol=self.codec.name if self.codec else "",
            health=self.health.report() if final else None,
            versions=self._versions,
            responses=self.responses.encode(),
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
    """The trial's folder, if it is not there. Raises UserError."""
    from harness.errors import UserError

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
