"""A cache of folders, each named by a hash of what made it.

An entry appears in one step and its checksums are verified at each use. Where two processes want the same missing
entry, one makes it under a lock and the other waits.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.files import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKSUMS = "SHA256SUMS"  # the format of `sha256sum -c`


def cache_root() -> Path:
    """`models` in the user's cache folder."""
    return cache_folder("models")


class CacheEntry:
    """A cache folder. `ensure` returns it if its checksums match and rebuilds it otherwise."""

    def __init__(self, key: str, say: Callable[[str], None]) -> None:
        self.path = cache_root() / key
        self._say = say

    def ensure(self, make: Callable[[Path], None]) -> Path:
        """The folder's path; `make` fills a new folder where it is missing or corrupt. Raises UserError (disk)."""
        if self._is_whole():
            return self.path
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock():
                if not self._is_whole():
                    self._discard()
                    self._make(make)
        except OSError as error:
            raise UserError(f"model cache {self.path.parent}: {error.strerror or error}; "
                            "set XDG_CACHE_HOME to a folder with space that you may write") from error  # fmt: skip
        return self.path

    def _is_whole(self) -> bool:
        try:
            sums = (self.path / CHECKSUMS).read_text().splitlines()
            return bool(sums) and all(sha256_of(self.path / line[66:]) == line[:64] for line in sums)
        except OSError:
            return False

    def _discard(self) -> None:
        if self.path.exists():
            self._say(f"model cache {self.path} is corrupt; rebuilding it")
            shutil.rmtree(self.path)

    def _make(self, make: Callable[[Path], None]) -> None:
        partial = Path(tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.parent))
        try:
            make(partial)
            files = sorted(file for file in partial.iterdir() if file.is_file())
            (partial / CHECKSUMS).write_text("".join(f"{sha256_of(file)}  {file.name}\n" for file in files))
            partial.rename(self.path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with self.path.with_name(f".{self.path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released by close, and by the kernel when the process dies
            yield


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
