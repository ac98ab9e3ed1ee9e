"""A file that grows by whole Arrow record batches. An appended batch survives `kill -9` of the writer.

`ArrowStream` raises what the disk refuses. `StreamRecorder` keeps it as text: the load goes on without its file.
"""

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
    from collections.abc import Iterable, Iterator

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


class StreamRecorder:
    """A stream of a load process. A failure is kept in `error`; what the disk refuses goes elsewhere where possible."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.error: str | None = None
        self._is_whole = True  # every batch is in the file
        self._refused = False  # neither the file nor another place takes more
        self._stream: ArrowStream | None = None

    def _open(self, schema: pa.Schema) -> None:
        try:
            self._stream = ArrowStream(self.path, schema, rescue=True)
        except OSError as error:
            self._fail(error)

    def _append(self, batch: pa.RecordBatch) -> bool:
        """Write one batch. Returns whether it is in the file, as all before it are."""
        if self._stream is None or self._refused:
            return False
        try:
            self._stream.append(batch)
        except OSError as error:
            self._refused = not isinstance(error, RowsElsewhereError)
            self._is_whole = False
            self._fail(error)
        return self._is_whole

    def close(self) -> None:
        """Write the end of the stream."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            stream.close()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        said = f"{self.path.name}: {error.strerror or error}"
        if self.error is None or isinstance(error, RowsElsewhereError):
            self.error = said if self.error is None else f"{self.error}; {said}"


@functools.cache
def rescue_folder() -> Path:
    """A new folder of this process for what cannot be kept in its own. No later run removes it. Raises OSError."""
    return Path(tempfile.mkdtemp(prefix="sweepspot-rescued-"))


def read_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """The whole record batches of a stream. Raises OSError where there is no file."""
    import pyarrow as pa

    cut_off = contextlib.suppress(pa.ArrowException, OSError)  # in mid-message: the process was killed while it wrote
    with pa.OSFile(str(path), "rb") as source, cut_off, pa.ipc.open_stream(source) as stream:
        yield from filter(_is_whole, stream)


def _is_whole(batch: pa.RecordBatch) -> bool:
    """Whether its buffers hold what its schema says, so that it can be used without a crash."""
    import pyarrow as pa

    try:
        batch.validate(full=True)
    except pa.ArrowException:
        return False
    return True


def table_of(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """The batches that have this schema, as a table."""
    import pyarrow as pa

    return pa.Table.from_batches([batch for batch in batches if batch.schema.equals(schema)], schema=schema)
