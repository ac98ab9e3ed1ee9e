"""What every run directory is, whatever was measured: a folder with a `run.json` and a folder per trial.

<run>/run.json                        what was planned, and where
<run>/trials/<n>-<slug>/trial.json    written last: a trial without it did not finish
"""

from __future__ import annotations

import fcntl
import os
import shutil
from typing import TYPE_CHECKING, Self

import msgspec

from harness.errors import RunError, UserError

if TYPE_CHECKING:
    from pathlib import Path


class TrialFolder:
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

    def write(self, record: msgspec.Struct) -> None:
        """Write `trial.json` whole or not at all."""
        write_whole(self.path / "trial.json", pretty(record))


class _Kind(msgspec.Struct, frozen=True):
    kind: str = "serving"  # the first kind has no name in its files


def kind_of(run_dir: Path) -> str | None:
    """`serving` or `training`; None where the folder holds no run, or what it holds cannot be read."""
    try:
        return msgspec.json.decode((run_dir / "run.json").read_bytes(), type=_Kind).kind
    except (OSError, msgspec.DecodeError):
        return None


class RunFolder:
    """One run's folder."""

    kind = "serving"

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new folder. Raises UserError where it exists with something in it, or cannot be made."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UserError(f"--out {path}: it exists already; choose another folder, or go on with --resume {path}")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"--out {path}: cannot make this folder ({error.strerror}); choose another") from error
        return cls(path)

    @classmethod
    def open(cls, path: Path, flag: str) -> Self:
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

    def write(self, record: msgspec.Struct) -> None:
        """Write `run.json` whole or not at all."""
        write_whole(self.path / "run.json", pretty(record))

    def unreadable(self, schema_version: int, error: msgspec.DecodeError) -> UserError:
        """What to raise where `run.json` does not hold the record that was expected."""
        if (found := kind_of(self.path)) not in (None, self.kind):
            return UserError(f"{self.path}: holds a run of {found}; give the folder of a run of {self.kind}")
        return UserError(
            f"{self.path / 'run.json'}: cannot be read as a run of schema {schema_version} "
            f"({error}); it is damaged or was written by another version"
        )


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


def pretty(record: msgspec.Struct) -> bytes:
    """A record as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
