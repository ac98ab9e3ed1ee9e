"""A file that grows by whole Arrow record batches. An appended batch survives `kill -9` of the writer."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

if TYPE_CHECKING:
    import pyarrow as pa


_END = b"\xff\xff\xff\xff\0\0\0\0"  # of a stream of Arrow's messages


class RowsElsewhereError(OSError):
    """The file could not be kept where it belongs; the message says where what it holds is now."""


class ArrowStream:
    """An Arrow IPC stream, made anew. Everything raises OSError where the file cannot be written.

    rescue: where the disk refuses a batch, that batch and later ones go to a folder for temporary files, and where the
    file was removed or moved, `close` keeps or finds it: both raise RowsElsewhereError once they have done so.
    """

    def __init__(self, path: Path, schema: pa.Schema, *, rescue: bool = False) -> None:
        import pyarrow as pa

        self._path = path
        self._schema = schema
        self._file = pa.OSFile(str(path), "wb")
        self._file.write(schema.serialize())
        self._held = path.open("rb") if rescue else None  # finds the content after the path has gone
        self._elsewhere: ArrowStream | None = None

    def append(self, batch: pa.RecordBatch) -> None:
        """Write one batch."""
        if self._elsewhere is not None:
            self._elsewhere.append(batch)
            return
        try:
            self._file.write(batch.serialize())  # in one piece: Arrow's own writer makes two system calls a column
        except OSError as error:
            if self._held is None:
                raise
            self._go_elsewhere(batch, error)

    def _go_elsewhere(self, batch: pa.RecordBatch, why: OSError) -> NoReturn:
        path = rescue_folder() / self._path.name
        self._elsewhere = ArrowStream(path, self._schema)
        self._elsewhere.append(batch)
        raise RowsElsewhereError(why.errno, f"{why.strerror or why}; what came after is in {path}") from why

    def close(self) -> None:
        """Write the end of the stream."""
        if self._elsewhere is not None:
            self._elsewhere.close()
            return
        self._file.write(_END)
        self._file.close()
        if self._held is not None:
            with self._held as held:
                self._keep_removed(held)

    def _keep_removed(self, held: BinaryIO) -> None:
        """Copy the content where the file has no name any more. Raises RowsElsewhereError where it was moved, too."""
        status = os.fstat(held.fileno())
        with contextlib.suppress(OSError):
            if os.path.samestat(status, self._path.stat()):
                return
        if status.st_nlink:
            where = f"was moved to {Path(f'/proc/self/fd/{held.fileno()}').readlink()}"
        else:
            copy = rescue_folder() / self._path.name
            with copy.open("wb") as to:
                shutil.copyfileobj(held, to)
            where = f"was removed; what it held is in {copy}"
        raise RowsElsewhereError(errno.ENOENT, where)


@functools.cache
def rescue_folder() -> Path:
    """A new folder of this process for what cannot be kept in its own. No later run removes it. Raises OSError."""
    return Path(tempfile.mkdtemp(prefix="sweepspot-rescued-"))


def read_batches(path: Path) -> tuple[list[pa.RecordBatch], int]:
    """The whole record batches of a stream, and how many bytes of it cannot be read.

    Raises OSError where there is no file.
    """
    import pyarrow as pa

    whole: list[pa.RecordBatch] = []
    ends = [0]  # of the schema, and of what was read after it
    lost_bytes = 0
    with pa.OSFile(str(path), "rb") as source:
        try:  # cut off in mid-message, the stream raises: the process was killed while it wrote
            with pa.ipc.open_stream(source) as stream:
                ends.append(source.tell())
                for batch in stream:
                    ends.append(source.tell())
                    if _is_whole(batch):
                        whole.append(batch)
                    else:
                        lost_bytes += ends[-1] - ends[-2]
                ends.append(source.tell())
        except (pa.ArrowException, OSError):
            pass
        return whole, source.size() - ends[-1] + lost_bytes


def _is_whole(batch: pa.RecordBatch) -> bool:
    """Whether its buffers hold what its schema says, so that it can be used without a crash."""
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowException:
        return False
    return True


def table_of(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """The batches that have this schema, as a table."""
    import pyarrow as pa

    return pa.Table.from_batches([batch for batch in batches if batch.schema.equals(schema)], schema=schema)
