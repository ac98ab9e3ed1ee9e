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
    """The whole record batches of a stream, and how many bytes behind them cannot be read.

    Raises OSError where there is no file.
    """
    import pyarrow as pa

    batches: list[pa.RecordBatch] = []
    read_bytes = 0
    with pa.OSFile(str(path), "rb") as source:
        try:  # cut off in mid-message, the stream raises: the process was killed while it wrote
            with pa.ipc.open_stream(source) as stream:
                read_bytes = source.tell()
                for batch in stream:
                    batches.append(batch)
                    read_bytes = source.tell()
                read_bytes = source.tell()
        except (pa.ArrowInvalid, OSError):
            pass
        return batches, source.size() - read_bytes
