"""`epochs.arrow`: one row per epoch, written as the epoch ends, readable after `kill -9`."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Self

import msgspec

from harness.record.arrow_stream import ArrowStream, read_batches, table_of

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa


class Epoch(msgspec.Struct, frozen=True, kw_only=True):
    """One pass over the training examples. Instants are on CLOCK_MONOTONIC.

    Losses and accuracies (shares of 1) are those of the weights as they stand after the epoch, without dropout and
    noise, so that both sides of the split are judged alike. They are NaN or infinite where the fit diverged.
    """

    epoch: int  # from 1
    begin_ns: int
    fitted_ns: int  # the fit of this epoch was over; from here on it was judged
    end_ns: int
    examples: int  # that were fitted in it
    learning_rate: float
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float


_INTEGERS = ("epoch", "begin_ns", "fitted_ns", "end_ns", "examples")


def epoch_schema() -> pa.Schema:
    """The Arrow schema of `epochs.arrow`: the fields of `Epoch`."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(name, pa.int64() if name in _INTEGERS else pa.float64(), nullable=False)
            for name in Epoch.__struct_fields__
        ]
    )


class EpochWriter:
    """Appends epochs to an Arrow IPC stream file, each a record batch. Raises OSError where it cannot."""

    def __init__(self, path: Path) -> None:
        self._schema = epoch_schema()
        self._stream = ArrowStream(path, self._schema)

    def add(self, epoch: Epoch) -> None:
        """Write one epoch."""
        import pyarrow as pa

        values = msgspec.structs.asdict(epoch)
        columns = [pa.array([values[field.name]], type=field.type) for field in self._schema]
        self._stream.append(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def read_epochs(path: Path) -> tuple[Epoch, ...]:
    """All whole epochs in the file, in order; a truncated tail is left out, and a file that is not there is empty."""
    with contextlib.suppress(OSError):
        return tuple(Epoch(**row) for row in table_of(read_batches(path), epoch_schema()).to_pylist())
    return ()
