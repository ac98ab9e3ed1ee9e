"""The run directory: the only thing that passes from measuring to judging and showing.

    <run>/run.json                         RunRecord: plan, command line, environment, model card
    <run>/trials/<n>-<slug>/trial.json     TrialRecord, written last: a trial without it did not finish
                           /requests*.arrow, load*.json   by the load processes
                           /samples.arrow                 by the samplers
                           /load.log, target.log

Schema history: 1 = first.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING

import msgspec

from harness.environment import Environment
from harness.errors import RunError, UserError
from harness.evidence import TrialEvidence
from harness.generator import GeneratorReport
from harness.metrics import ModelCard
from harness.plan import SCHEMA_VERSION, Plan, Point, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `run.json` holds."""

    plan: Plan
    command_line: str
    started_at: str  # ISO 8601, UTC
    harness_version: str
    environment: Environment
    model: ModelCard | None = None
    isolation: str = ""  # which cores target and load had, in words
    isolated: bool = False
    gated: bool = False  # the user gave --slo: missing it is a failure
    schema_version: int = SCHEMA_VERSION


class TrialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `trial.json` holds."""

    trial: Trial
    point: Point
    finished: bool  # False: interrupted or failed, and to be run again on --resume
    failure: str | None = None  # in words, for the report
    target_died: bool = False
    load_exit_code: int | None = None
    sampler_failure: str | None = None
    target_url: str | None = None
    isolated: bool = False
    schema_version: int = SCHEMA_VERSION


class TrialDir:
    """One trial's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def create(self) -> None:
        """Make the folder; what an unfinished earlier try left is kept beside it under another name."""
        if self.path.exists():
            number = 1
            while (aside := self.path.with_name(f"{self.path.name}.unfinished-{number}")).exists():
                number += 1
            self.path.rename(aside)
        self.path.mkdir(parents=True)

    @property
    def samples(self) -> Path:
        """Where the samplers write."""
        return self.path / "samples.arrow"

    @property
    def load_log(self) -> Path:
        """What the load process prints."""
        return self.path / "load.log"

    def write(self, record: TrialRecord) -> None:
        """Write `trial.json` whole or not at all."""
        write_whole(self.path / "trial.json", _pretty(record))

    def read(self) -> TrialRecord | None:
        """The trial's record; None where the trial never got to write one."""
        try:
            return msgspec.json.decode((self.path / "trial.json").read_bytes(), type=TrialRecord)
        except (FileNotFoundError, msgspec.DecodeError):
            return None

    def evidence(self, plan: Plan, trial: Trial, point: Point) -> TrialEvidence:
        """Everything measured in this trial, as far as it can be read."""
        from harness.recorder import read_rows
        from harness.samplers.writer import read_samples

        record = self.read()
        shards = [read_rows(path) for path in sorted(self.path.glob("requests*.arrow"))]
        return TrialEvidence(
            trial=trial,
            point=point,
            rows=_concatenate(shards),
            samples=read_samples(self.samples) if self.samples.exists() else None,
            reports=tuple(self._generator_reports()),
            failure=record.failure if record else "the trial was cut off before its end",
            target_died=record.target_died if record else False,
            isolated=record.isolated if record else False,
            load_processes=plan.load_processes,
            in_process=plan.in_process,
        )

    def _generator_reports(self) -> Iterator[GeneratorReport]:
        for path in sorted(self.path.glob("load*.json")):
            try:
                yield msgspec.json.decode(path.read_bytes(), type=GeneratorReport)
            except msgspec.DecodeError:
                continue  # its absence is what the lost-worker check looks for


class RunDir:
    """One run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path) -> RunDir:
        """A new folder. Raises UserError where it exists with something in it, or cannot be made."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UserError(f"--out {path}: it exists already; choose another folder, or go on with --resume {path}")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--out {path}: cannot make this folder ({error.strerror}); choose another") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path, flag: str) -> RunDir:
        """An existing run. Raises UserError that names `flag` where there is none."""
        if not (path / "run.json").is_file():
            raise UserError(f"{flag} {path}: no run.json there; give the folder of an earlier run (see results/)")
        return cls(path)

    def lock(self) -> None:
        """Hold the folder for this process. Raises UserError where another run writes to it."""
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{self.path}: another run is writing here; wait for it, or stop it first") from None

    def write(self, record: RunRecord) -> None:
        """Write `run.json` whole or not at all."""
        write_whole(self.path / "run.json", _pretty(record))

    def read(self) -> RunRecord:
        """The run's record. Raises UserError where it is damaged or of a later version."""
        try:
            return msgspec.json.decode((self.path / "run.json").read_bytes(), type=RunRecord)
        except msgspec.DecodeError as error:
            raise UserError(
                f"{self.path / 'run.json'}: cannot be read as a run of schema {SCHEMA_VERSION} "
                f"({error}); it is damaged or was written by another version"
            ) from error

    def trial(self, trial: Trial, point: Point) -> TrialDir:
        """The folder of one trial."""
        return TrialDir(self.path / "trials" / f"{trial.number:03d}-{point.slug}-r{trial.repeat}")

    def unfinished(self, plan: Plan) -> Iterator[tuple[Trial, Point]]:
        """The trials still to be run, in their order."""
        for trial in plan.trials:
            point = plan.point(trial.point)
            record = self.trial(trial, point).read()
            if record is None or not record.finished:
                yield trial, point

    def evidence(self, plan: Plan, point_number: int | None = None) -> Iterator[TrialEvidence]:
        """What was measured, trial by trial, of one point or of all; trials never started are left out."""
        for trial in plan.trials:
            point = plan.point(trial.point)
            folder = self.trial(trial, point)
            if folder.path.is_dir() and point_number in (None, point.number):
                yield folder.evidence(plan, trial, point)


def write_whole(path: Path, content: bytes) -> None:
    """Replace `path` atomically. Raises RunError where the disk is full or read-only."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        free_mb = shutil.disk_usage(path.parent).free / 1e6
        raise RunError(
            f"cannot write {path}: {error.strerror} ({free_mb:.0f} MB free); what was measured until "
            "then is in its folder: make room and go on with --resume"
        ) from error


def _pretty(record: msgspec.Struct) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"


def _concatenate(shards: list[object]) -> object:
    import pyarrow as pa

    return pa.concat_tables(shards) if shards else None
