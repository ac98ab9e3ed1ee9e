"""The run directory: the only link between measuring on one side, judging and showing on the other.

    <run>/run.json                         RunRecord: plan, command line, environment, model card
         /envelope.json                    Envelope of a load process on this machine, where it was calibrated before
    <run>/trials/<n>-<slug>/trial.json     TrialRecord, written last: a trial without it did not finish
                           /requests*.arrow, load*.json   by the load processes; .parquet when the trial has ended
                           /samples.arrow                 by the samplers; likewise
                           /server.json           what a server that is not ours said of itself, again and again
                           /load.log, target.log

Schema history: 1 = first; 2 = the plan's settings of the load are in `plan.load`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from harness.plan.plan import SCHEMA_VERSION, Plan, Point, Trial, plan_of_schema_1
from harness.record.load_report import LoadReport, live_of
from harness.record.machine.envelope import read_envelope
from harness.record.merge_workers import (
    align_classes,
    report_to_master_time,
    rows_to_master_time,
    tokens_to_master_time,
)
from harness.record.model_card import ModelCard
from harness.record.parquet.parquet_file import compress, present
from harness.record.parquet.shown_rows import RowNotes, shown_rows
from harness.record.run_folder import BaseRunRecord, BaseTrialRecord, RunFolder, TrialFolder
from harness.record.server_statistics import read_statistics
from harness.record.trial_data import TrialData

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness.plan.plan import BasePoint
    from harness.record.load_report import Live
    from harness.record.machine.envelope import Envelope


class RunRecord(BaseRunRecord, frozen=True, kw_only=True):
    """What `run.json` holds."""

    plan: Plan
    model: ModelCard | None = None
    models: tuple[ModelCard, ...] = ()  # all that were served, where the model was swept
    isolation: str = ""  # which cores target and load had, in words
    isolated: bool = False
    target_cores: int = 1  # that the target was given
    schema_version: int = SCHEMA_VERSION


class TrialRecord(BaseTrialRecord, frozen=True, kw_only=True):
    """What `trial.json` holds."""

    point: Point
    target_died: bool = False
    load_exit_code: int | None = None
    target_url: str | None = None
    isolated: bool = False
    spent_seconds: float | None = None  # within a budget: all that it took, start of the target and judging included
    schema_version: int = SCHEMA_VERSION


class TrialDir(TrialFolder[TrialRecord]):
    """One trial's folder."""

    record_type = TrialRecord

    @property
    def load_log(self) -> Path:
        """What the load process prints."""
        return self.path / "load.log"

    def data(self, plan: Plan, trial: Trial, point: Point, envelope: Envelope | None = None) -> TrialData:
        """Everything measured in this trial, as far as it can be read."""
        from harness.record.recorder import read_rows
        from harness.record.samples import read_samples
        from harness.record.token_times import read_tokens

        record = self.read()
        reported = tuple(self._load_reports())
        rows = [rows_to_master_time(read_rows(path), reported) for path in present(self.path, "requests")]
        shards, reports = align_classes(rows, reported)
        tokens = [tokens_to_master_time(read_tokens(path), reported) for path in present(self.path, "tokens")]
        samples = next(iter(present(self.path, "samples")), None)
        return TrialData(
            trial=trial,
            point=point,
            rows=_concatenate(shards),
            samples=read_samples(samples) if samples else None,
            tokens=_concatenate(tokens),
            reports=tuple(reports),
            failure=record.failure if record else "the trial was cut off before its end",
            start_failure=_start_failure(record, plan) if record else None,
            target_died=record.target_died if record else False,
            isolated=record.isolated if record else False,
            load_processes=plan.workers,
            warmup_seconds=plan.load.warmup_s,
            in_process=plan.in_process,
            check_off=plan.load_at(point).check == "off",
            statistics=read_statistics(self.path),
            envelope=envelope,
        )

    def compress(self) -> None:
        """Put Parquet files in the place of the Arrow streams of a trial that has ended."""
        reports = {report.worker: report for report in self._read_reports()}
        for path in self.path.glob("requests*.arrow"):
            report = reports.get(int(path.stem.partition("-")[2] or 0))
            if report is not None:  # without it the names of the request classes are not known
                notes = RowNotes(request_classes=report.request_classes, clock_offset_ns=report.clock_offset_ns)
                compress(path, shown_rows(notes))
        for path in (*self.path.glob("tokens*.arrow"), *self.path.glob("samples.arrow")):
            compress(path, lambda table: table)

    def live(self, now_ns: int) -> Live | None:
        """The trial's progress by what its load processes have reported so far."""
        return live_of(list(self._load_reports()), now_ns)

    def _load_reports(self) -> Iterator[LoadReport]:
        yield from map(report_to_master_time, self._read_reports())

    def _read_reports(self) -> Iterator[LoadReport]:
        for path in sorted(self.path.glob("load*.json")):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=LoadReport)
            except msgspec.DecodeError:
                continue  # its absence is what the lost-worker check looks for


class RunDir(RunFolder[RunRecord, TrialDir]):
    """One run's folder."""

    record_type = RunRecord

    def upgrade(self, content: bytes) -> bytes:
        """A record of schema 1 in the present schema."""
        old = msgspec.json.decode(content)
        if not isinstance(old, dict) or old.get("schema_version") != 1 or "plan" not in old:
            return content
        return msgspec.json.encode({**old, "plan": plan_of_schema_1(old["plan"]), "schema_version": SCHEMA_VERSION})

    @property
    def envelope(self) -> Path:
        """Where it is kept what a load process can do on this machine, as far as that was known at the start."""
        return self.path / "envelope.json"

    def trial(self, trial: Trial, point: BasePoint) -> TrialDir:
        """The folder of one trial."""
        return TrialDir(self.path / "trials" / f"{trial.number:03d}-{point.slug}-r{trial.repeat}")

    def trial_data(self, plan: Plan, trial: Trial) -> TrialData:
        """Everything measured in one trial, as far as it can be read."""
        point = plan.point(trial.point)
        return self.trial(trial, point).data(plan, trial, point, read_envelope(self.envelope))


def _start_failure(record: TrialRecord, plan: Plan) -> str | None:
    """Why the trial's target could not be started; None where it was, or where the trial was interrupted."""
    started = record.target_url is not None or plan.in_process or record.failure == "interrupted"
    return None if started else record.failure


def _concatenate(shards: list[object]) -> object:
    import pyarrow as pa

    return pa.concat_tables(shards) if shards else None
