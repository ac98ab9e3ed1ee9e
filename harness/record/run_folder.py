"""What all run directories have in common, whatever was measured: a `run.json` and a folder per trial.

<run>/run.json                        what was planned, and where
<run>/trials/<n>-<slug>/trial.json    written last: a trial without it did not finish

Both are sealed (`harness.files.sealed`), and `trial.json` has the sums of the files beside it: what was changed since
is not believed, and named.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import msgspec

from harness.errors import RunError, UserError, shortened
from harness.files import decode, pretty, read_file, read_if_whole, sealed, sum_of, unsealed, write_whole
from harness.plan.plan import Trial
from harness.record.machine.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.plan.plan import BasePlan, BasePoint, PointT


DATA = (".arrow", ".parquet", ".json")  # endings of the files of a trial that are read again


class BaseRunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `run.json` holds of every run, beside its plan."""

    command_line: str
    started_at: str  # ISO 8601, UTC
    harness_version: str
    environment: Environment
    gated: bool = False  # the user gave a limit (--slo, --target-accuracy): missing it is a failure


class BaseTrialRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `trial.json` holds of every trial, beside its point."""

    trial: Trial
    finished: bool  # False: interrupted or failed, and to be run again on --resume
    failure: str | None = None  # in words, for the report
    sampler_failure: str | None = None
    sums: dict[str, int] = {}  # CRC-32 of each file of data in the folder, by name; empty before the trial has ended


RunRecordT = TypeVar("RunRecordT", bound=BaseRunRecord)
TrialRecordT = TypeVar("TrialRecordT", bound=BaseTrialRecord)


class TrialFolder(Generic[TrialRecordT]):
    """One trial's folder."""

    record_type: type[TrialRecordT]

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> TrialRecordT | None:
        """The trial's record; None where the trial never got to write one."""
        return read_if_whole(self.path / "trial.json", self.record_type)

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

    def write(self, record: TrialRecordT, *, ended: bool = True) -> None:
        """Write `trial.json` whole or not at all. Where the trial has `ended`, with the sums of the other files."""
        sums = {path.name: sum_of(path) for path in self._data_files()} if ended else {}
        write_whole(self.path / "trial.json", sealed(pretty(msgspec.structs.replace(record, sums=sums))))

    def damaged(self, record: TrialRecordT | None) -> tuple[str, ...]:
        """The names of the files that were changed or removed since the trial ended."""
        if record is None:
            return ("trial.json",) if (self.path / "trial.json").exists() else ()
        found = {path.name: sum_of(path) for path in self._data_files()} if record.sums else {}
        return tuple(sorted(name for name, known in record.sums.items() if found.get(name) != known))

    def _data_files(self) -> list[Path]:
        found = (path for path in sorted(self.path.iterdir()) if path.suffix in DATA and path.is_file())
        return [path for path in found if path.name != "trial.json"]


class _Kind(msgspec.Struct, frozen=True):
    kind: str = "serving"  # the first kind has no name in its files


def kind_of(run_dir: Path) -> str | None:
    """`serving` or `training`; None where the folder holds no run, or what it holds cannot be read."""
    try:
        return decode(read_file(run_dir / "run.json"), _Kind).kind
    except (OSError, msgspec.DecodeError):
        return None


def is_locked(path: Path) -> bool:
    """Whether a run is writing to the folder."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(folder)
    return False


TrialFolderT = TypeVar("TrialFolderT", bound=TrialFolder[Any])


class RunFolder(ABC, Generic[RunRecordT, TrialFolderT]):
    """One run's folder."""

    kind = "serving"
    record_type: type[RunRecordT]

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: list[Path] | None = None  # the folders that `create` made; None: it was opened

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new folder. Raises UserError where it exists with something in it, or cannot be made."""
        try:
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise UserError(
                    f"--out {path}: it exists already; choose another folder, or go on with --resume {path}"
                )
            made = [each for each in (path, *path.parents) if not each.exists()]
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"--out {shortened(str(path))}: cannot make this folder ({error.strerror}); choose another"
            ) from error
        folder = cls(path)
        folder._made = made
        return folder

    @classmethod
    def open(cls, path: Path, flag: str) -> Self:
        """An existing run. Raises UserError that names `flag` where there is none."""
        if not (path / "run.json").is_file():
            raise UserError(f"{flag} {path}: no run.json there; give the folder of an earlier run (see results/)")
        return cls(path)

    def discard(self) -> None:
        """Remove a run that was refused before anything was measured, with the folders that were made for it.

        Does nothing where the run was there before.
        """
        if self._made is None:
            return
        for entry in self.path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        for folder in self._made:
            folder.rmdir()

    def lock(self) -> None:
        """Hold the folder for this process. Raises UserError where another run writes to it."""
        self._lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{self.path}: another run is writing here; wait for it, or stop it first") from None

    def write(self, record: RunRecordT) -> None:
        """Write `run.json` whole or not at all."""
        write_whole(self.path / "run.json", sealed(pretty(record)))

    def upgrade(self, content: bytes) -> bytes:
        """The content of a `run.json` in the present schema. Raises msgspec.DecodeError."""
        return content

    def read(self) -> RunRecordT:
        """The run's record. Raises UserError where it is damaged, of a later version or of another kind."""
        try:
            return decode(self.upgrade(unsealed(read_file(self.path / "run.json"))), self.record_type)
        except OSError as error:
            raise RunError(f"{self.path / 'run.json'}: cannot be read ({error.strerror})") from error
        except msgspec.DecodeError as error:
            if (found := kind_of(self.path)) not in (None, self.kind):
                text = f"{self.path}: holds a run of {found}; give the folder of a run of {self.kind}"
                raise UserError(text) from error
            raise UserError(
                f"{self.path / 'run.json'}: cannot be read as a run of {self.kind} "
                f"({error}); it is damaged or was written by another version"
            ) from error

    def lost(self, error: OSError) -> RunError | None:
        """What an error means for the run where it concerns this folder; None where it does not."""
        if not (self.path / "run.json").is_file():
            return RunError(
                f"{self.path}: the folder of the run was removed or moved while the run wrote to it ({error})"
            )
        if error.filename is not None and self.path.resolve() in Path(str(error.filename)).resolve().parents:
            return RunError(f"{error.filename}: {error.strerror}; the run cannot go on")
        return None

    @abstractmethod
    def trial(self, trial: Trial, point: BasePoint) -> TrialFolderT:
        """The folder of one trial."""

    def trials(self, plan: BasePlan[PointT]) -> Iterator[tuple[Trial, PointT, TrialFolderT]]:
        """Every trial of the plan in its order, with its point and its folder, which may not exist yet."""
        for trial in plan.trials:
            point = plan.point(trial.point)
            yield trial, point, self.trial(trial, point)

    def begun(self, plan: BasePlan[Any], point_number: int | None = None) -> Iterator[Trial]:
        """The trials that have a folder, of one point or of all; no file is read."""
        for trial, _, folder in self.trials(plan):
            if point_number in (None, trial.point) and folder.path.is_dir():
                yield trial

    def has_trials(self, plan: BasePlan[Any], point_number: int | None = None) -> bool:
        """Whether any trial has begun, of one point or of all; no file is read."""
        return next(self.begun(plan, point_number), None) is not None

    def unfinished(self, plan: BasePlan[PointT]) -> Iterator[tuple[Trial, PointT]]:
        """The trials still to be run, in their order."""
        for trial, point, folder in self.trials(plan):
            record = folder.read()
            if record is None or not record.finished:
                yield trial, point
