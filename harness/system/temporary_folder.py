"""Temporary folders that belong to a process, and are removed by a later run where that process was killed.

The owner holds a lock on a file inside. The kernel releases it when the owner ends, in whatever way, so that a folder
whose lock is free belongs to nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "sweepspot-"
KINDS = ("litert", "mlserver", "payloads", "replicas", "salvage", "tls", "worker")
_NAME = re.compile(rf"{PREFIX}(?:{'|'.join(KINDS)})-[a-z0-9_]{{8}}")
LOCK = ".owner"


@contextlib.contextmanager
def temporary_folder(kind: str, parent: str | None = None) -> Iterator[Path]:
    """A new folder `sweepspot-<kind>-...`, of one of KINDS, that is removed at the end. Raises OSError."""
    folder = OwnedFolder(kind, parent)
    try:
        yield folder.path
    finally:
        folder.remove()


class OwnedFolder:
    """A folder that this process owns until `remove`. Only this user can read it. Raises OSError."""

    def __init__(self, kind: str, parent: str | None = None) -> None:
        remove_orphaned_folders(Path(parent) if parent else None)
        self._lock = -1
        while self._lock < 0:
            self.path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{kind}-", dir=parent))
            with contextlib.suppress(FileNotFoundError, BlockingIOError):  # another process took it for orphaned
                self._lock = _locked(self.path, os.O_CREAT)
        self._removal = weakref.finalize(self, _remove, self.path, self._lock, os.getpid())  # at the latest at exit

    def remove(self) -> None:
        """Remove the folder. Does nothing a second time."""
        self._removal()


def _remove(path: Path, lock: int, owner: int) -> None:
    if os.getpid() == owner:  # and not a fork of it
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def remove_orphaned_folders(parent: Path | None = None) -> None:
    """Remove the folders of this user whose owner has died."""
    for path in (parent or Path(tempfile.gettempdir())).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            own = _NAME.fullmatch(path.name) and status.st_uid == os.getuid() and stat.S_ISDIR(status.st_mode)
            if own:
                _remove_if_orphaned(path)


def _remove_if_orphaned(folder: Path) -> None:
    """Remove the folder if its owner is gone. Raises OSError.

    The lock is held meanwhile: a living owner that has yet to take it, or to make its file, then makes another folder.
    """
    try:
        lock = _locked(folder)
    except FileNotFoundError:
        folder.rmdir()
        return
    try:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _locked(folder: Path, flags: int = 0) -> int:
    """A descriptor that holds the folder's lock. Raises BlockingIOError where another has it.

    Raises FileNotFoundError where there is none, or it was removed before it was taken.
    """
    lock = os.open(folder / LOCK, flags | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.fstat(lock).st_nlink:
            raise FileNotFoundError(folder / LOCK)
    except OSError:
        os.close(lock)
        raise
    return lock
