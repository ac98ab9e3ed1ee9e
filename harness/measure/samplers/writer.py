"""`samples.arrow`: samples on disk, appended at least once a second, readable after `kill -9`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from harness.clock import NS_PER_S
from harness.measure.samplers.columns import record_batch
from harness.record.arrow_stream import ArrowStream, read_batches
from harness.record.samples import sample_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    import pyarrow as pa

    from harness.record.samples import Sample

FLUSH_EVERY_NS = NS_PER_S


class SampleWriter:
    """Appends samples to an Arrow IPC stream file, a record batch per second. Raises OSError where it cannot."""

    def __init__(self, path: Path) -> None:
        self._schema = sample_schema()
        self._stream = ArrowStream(path, self._schema)
        self._pending: list[Sample] = []
        self._flush_due_ns: int | None = None

    def add(self, samples: Sequence[Sample], now_ns: int) -> None:
        """Keep `samples`, and write what is kept where a second has passed since it was last written."""
        self._pending += samples
        if self._flush_due_ns is None or now_ns >= self._flush_due_ns:
            self._flush_due_ns = now_ns + FLUSH_EVERY_NS
            self.flush()

    def flush(self) -> None:
        """Write what is kept."""
        if not self._pending:
            return
        self._stream.append(record_batch(self._pending, self._schema))
        self._pending = []

    def close(self) -> None:
        """Write what is kept and end the stream."""
        self.flush()
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()


def read_samples(path: Path) -> pa.Table:
    """All whole batches of `samples.arrow`; a truncated tail is left out. Raises OSError where there is no file."""
    import pyarrow as pa

    batches, _ = read_batches(path)
    return pa.Table.from_batches(batches, schema=sample_schema())
