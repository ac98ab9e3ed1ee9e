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

from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from harness.files import decode, read_file
from harness.plan.plan import SCHEMA_VERSION, Plan, Point, Trial, plan_of_schema_1
from harness.record.load_report import LoadReport, live_of
from harness.record.machine.envelope import read_envelope
from harness.record.model_card import ModelCard
from harness.record.parquet.parquet_file import replace_by_parquet
from harness.record.parquet.shown_rows import RowNotes, shown_rows
from harness.record.run_folder import BaseRunRecord, BaseTrialRecord, RunFolder, TrialFolder
from harness.record.server.statistics import FILE as STATISTICS
from harness.record.server.statistics import read_statistics
from harness.record.trial_data import TrialData
from harness.record.worker_merge import (
    align_classes,
    report_to_master_time,
    rows_to_master_time,
    tokens_to_master_time,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from harness.plan.plan import BasePoint
    from harness.record.load_report import Live
    from harness.record.machine.envelope import Envelope
    from harness.record.trial_tables import TrialTables


class RunRecord(BaseRunRecord, frozen=True, kw_only=True):
    """What `run.json` holds."""

    plan: Plan
    model: ModelCard | None = None
    models: tuple[ModelCard, ...] = ()  # all that were served, where the model was swept
    isolation: str = ""  # which cores target and load had, in words
    isolated: bool | None = False  # None: not known, since the server was not started here
    target_cores: int | None = 1  # that the target was given; None: not known
    schema_version: int = SCHEMA_VERSION


class TrialRecord(BaseTrialRecord, frozen=True, kw_only=True):
    """What `trial.json` holds."""

    point: Point
    target_died: bool = False
    load_exit_code: int | None = None
    target_url: str | None = None
    isolated: bool | None = False  # None: not known, since the server was not started here
    spent_seconds: float | None = None  # within a budget: all that it took, start of the target and judging included
    first_response_s: float | None = None  # of the request that was sent before the load; None where none was
    schema_version: int = SCHEMA_VERSION


class TrialDir(TrialFolder[TrialRecord]):
    """One trial's folder."""

    record_type = TrialRecord

    @property
    def target_log(self) -> Path:
        """The output of a target that the harness started; there is none of another."""
        return self.path / "target.log"

    @property
    def load_log(self) -> Path:
        """What the load process prints."""
        return self.path / "load.log"

    def data(self, plan: Plan, trial: Trial, point: Point, envelope: Envelope | None = None) -> TrialData:
        """Everything measured in this trial, as far as it can be read."""
        record = self.read()
        damaged = self.damaged(record)
        reported, tables = self._recorded(damaged, trusted=record is not None and bool(record.sums) and not damaged)
        rows = [rows_to_master_time(shard, reported) for shard in tables.rows]
        shards, reports = align_classes(rows, reported)
        tokens = [tokens_to_master_time(shard, reported) for shard in tables.tokens]
        return TrialData(
            trial=trial,
            point=point,
            rows=_concatenate(shards),
            samples=tables.samples,
            tokens=_concatenate(tokens),
            reports=tuple(reports),
            failure=record.failure if record else "the trial was cut off before its end",
            sampler_failure=record.sampler_failure if record else None,
            start_failure=_start_failure(record, plan) if record else None,
            target_died=record.target_died if record else False,
            isolated=record.isolated if record else None,
            first_response_s=record.first_response_s if record else None,
            load_processes=plan.workers,
            warmup_seconds=plan.load.warmup_s,
            has_log=self.target_log.is_file(),
            in_process=plan.in_process,
            check_off=plan.load_at(point).check == "off",
            statistics=None if STATISTICS in damaged else read_statistics(self.path),
            envelope=envelope,
            damaged=tuple(dict.fromkeys((*damaged, *tables.damaged))),
        )

    def _recorded(self, damaged: Sequence[str], *, trusted: bool) -> tuple[tuple[LoadReport, ...], TrialTables]:
        """The reports and the tables; of files that are not `trusted`, what may have been recorded."""
        from harness.record.plausibility import plausible_instants, plausible_reports, plausible_rows
        from harness.record.trial_tables import read_tables

        tables = read_tables(self.path, trusted=trusted)
        reports = tuple(report for path, report in self._read_reports() if path.name not in damaged)
        if not trusted:
            reports = plausible_reports(reports)
            rows = [plausible_rows(shard, reports) for shard in tables.rows]
            samples = None if tables.samples is None else plausible_instants(tables.samples, "t_ns", reports)
            tables = replace(tables, rows=rows, samples=samples)
        return tuple(map(report_to_master_time, reports)), tables

    def to_parquet(self) -> None:
        """Put Parquet files in the place of the Arrow streams of a trial that has ended."""
        reports = {report.worker: report for _, report in self._read_reports()}
        for path in self.path.glob("requests*.arrow"):
            report = reports.get(int(path.stem.partition("-")[2] or 0))
            if report is not None:  # without it the names of the request classes are not known
                notes = RowNotes(request_classes=report.request_classes, clock_offset_ns=report.clock_offset_ns)
                replace_by_parquet(path, shown_rows(notes))
        for path in (*self.path.glob("tokens*.arrow"), *self.path.glob("samples.arrow")):
            replace_by_parquet(path, lambda table: table)

    def live(self, now_ns: int) -> Live | None:
        """The trial's progress by what its load processes have reported so far."""
        return live_of(list(self.reports()), now_ns)

    def reports(self) -> Iterator[LoadReport]:
        """The reports of the load processes, in the time of the master's clock."""
        yield from (report_to_master_time(report) for _, report in self._read_reports())

    def _read_reports(self) -> Iterator[tuple[Path, LoadReport]]:
        for path in sorted(self.path.glob("load*.json")):
            try:
                yield path, decode(read_file(path), LoadReport)
            except (OSError, msgspec.DecodeError):
                continue  # its absence is what the lost-worker check looks for


class RunDir(RunFolder[RunRecord, TrialDir]):
    """One run's folder."""

    record_type = RunRecord

    def upgrade(self, content: bytes) -> bytes:
        """A record of schema 1 in the present schema."""
        old = decode(content, object)
        if not isinstance(old, dict) or old.get("schema_version") != 1 or "plan" not in old:
            return content
        return msgspec.json.encode({**old, "plan": plan_of_schema_1(old["plan"]), "schema_version": SCHEMA_VERSION})

    @property
    def envelope(self) -> Path:
        """Where it is kept what a load process can do on this machine, as far as that was known at the start."""
        return self.path / "envelope.json"

    def spent_seconds(self, plan: Plan) -> dict[int, float]:
        """What trials took in all, starts of the target included, by number; of those only of which it is recorded."""
        records = ((trial.number, folder.read()) for trial, _, folder in self.trials(plan))
        return {number: each.spent_seconds for number, each in records if each is not None and each.spent_seconds}

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
