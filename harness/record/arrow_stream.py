"""A file that grows by whole Arrow record batches. An appended batch survives `kill -9` of the writer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


class ArrowStream:
    """An Arrow IPC stream, made anew. Everything raises OSError where the file cannot be written."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        import pyarrow as pa

        self._file = pa.OSFile(str(path), "wb")
        self._stream = pa.ipc.new_stream(self._file, schema)

    def append(self, batch: pa.RecordBatch) -> None:
        """Write one batch."""
        self._stream.write_batch(batch)
        self._file.flush()

    def close(self) -> None:
        """Write the end of the stream."""
        self._stream.close()
        self._file.close()


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
