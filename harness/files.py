"""Files that are replaced whole or not at all, sums that show whether one was changed, and the user's cache folder."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from harness.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

_T = TypeVar("_T")
CHUNK_BYTES = 1 << 20
MOST_JSON_BYTES = 1 << 27  # a server's statistics, asked four times a second for hours
_SEAL = re.compile(rb',\n  "crc32": (\d{1,10})\n\}\n\Z')
_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_LONG_NUMBER = re.compile(rb"(?<![0-9.])[0-9]{19,}")  # none that is written here has so many digits


def cache_folder(name: str) -> Path:
    """`sweepspot/<name>` in the user's cache folder (XDG_CACHE_HOME, or ~/.cache). It may not exist yet.

    A user without a home folder (a container's, that no passwd entry knows) has one in the folder of temporary files.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(given) if given else Path.home() / ".cache"
    except RuntimeError:
        folder = Path(tempfile.gettempdir()) / f"cache-{os.getuid()}"
    return folder / "sweepspot" / name


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write a file or a folder to, which takes the place of `path` at the end of the block.

    It has the suffix of `path` and is this process's own; it is removed where the block raises. Raises OSError.
    """
    partial = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        if partial.is_dir():
            shutil.rmtree(partial, ignore_errors=True)
        partial.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes) -> None:
    """Replace `path` atomically. Raises RunError where the disk is full or read-only."""
    try:
        with replacing(path) as partial:
            partial.write_bytes(content)
    except OSError as error:
        if not path.parent.is_dir():
            raise RunError(f"cannot write {path}: its folder was removed or moved") from error
        remedy = _remedy(error, path.parent)
        kept = "and go on with --resume; what was measured until then is kept"
        raise RunError(f"cannot write {path}: {error.strerror}{remedy} {kept}") from error


def _remedy(error: OSError, folder: Path) -> str:
    """What the user can do about a file that could not be written."""
    if error.errno == errno.EFBIG:
        return "; raise `ulimit -f`"
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return "; make it writable"
    disk = os.statvfs(folder)
    return f" ({disk.f_bavail * disk.f_frsize / 1e6:.0f} MB and {disk.f_favail} files free); make room"


def read_file(path: Path) -> bytes:
    """The content of a regular file. Raises OSError, also for a pipe or a device, whose reading might never end."""
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is no regular file", str(path))
    return path.read_bytes()


def read_if_whole(path: Path, kind: type[_T]) -> _T | None:
    """The JSON file as a `kind`; None where it is missing or damaged."""
    try:
        return decode(read_file(path), kind)
    except (OSError, msgspec.DecodeError):
        return None


def decode(content: bytes, kind: type[_T]) -> _T:
    """A JSON document, perhaps sealed, as a `kind`. Raises msgspec.DecodeError for anything that is wrong with it."""
    if len(content) > MOST_JSON_BYTES:
        raise msgspec.DecodeError(f"it is of {len(content) / 1e6:.0f} MB, more than any that is written here")
    content = unsealed(content)
    if _LONG_NUMBER.search(_TEXT.sub(b"", content)):
        raise msgspec.DecodeError("it holds a number out of range")
    try:
        return msgspec.json.decode(content, type=kind)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(str(error)) from error


def sealed(content: bytes) -> bytes:
    """A document that `pretty` has made, with the sum of its bytes as the last field, `crc32`."""
    return b'%b,\n  "crc32": %d\n}\n' % (content.removesuffix(b"\n}\n"), zlib.crc32(content))


def unsealed(content: bytes) -> bytes:
    """The document that was sealed, or `content` without a seal. Raises msgspec.DecodeError where it was changed."""
    seal = _SEAL.search(content)
    if seal is None:
        return content
    document = content[: seal.start()] + b"\n}\n"
    if zlib.crc32(document) != int(seal[1]):
        raise msgspec.DecodeError('it was changed since it was written; if that was you, take "crc32" out of it')
    return document


def sum_of(path: Path) -> int:
    """The CRC-32 of a file's bytes. Raises OSError."""
    total = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            total = zlib.crc32(chunk, total)
    return total


def pretty(record: msgspec.Struct) -> bytes:
    """A record as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n"
