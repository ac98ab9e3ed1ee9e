"""The schema of a row: everything that is recorded of one request.

In the load process rows are NumPy structures (`row_dtype`); on disk a row is one line of an Arrow table (`row_schema`).
An absent number is `ABSENT` in memory and null on disk, never zero.

Instants are nanoseconds on CLOCK_MONOTONIC. Response time is done - due, service time done - sent, lateness sent - due.
A request over a new connection counts as sent when that began to be opened: the time to connect is the server's.
When each token of a streamed response came is in another file (`harness/record/token_times.py`).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from harness.clock import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Column = NDArray[np.int64]
    Mask = NDArray[np.bool_]

ABSENT = -1


class Outcome(IntEnum):
    """How a scheduled request ended."""

    OK = 0
    WRONG = 1
    ERROR = 2
    TIMEOUT = 3
    REJECTED = 4
    ABORTED = 5
    NOT_SENT = 6
    CANCELLED = 7  # the user hung up in the middle of the response, on purpose


class Phase(IntEnum):
    """Which part of the trial a request was due in."""

    WARMUP = 0
    MEASURE = 1
    DRAIN = 2


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a trial that is measured: from `start_ns` to before `end_ns` on CLOCK_MONOTONIC."""

    start_ns: int
    end_ns: int

    @property
    def seconds(self) -> float:
        """The length of the window."""
        return (self.end_ns - self.start_ns) / NS_PER_S

    def holds(self, instants_ns: Column) -> Mask:
        """Which instants (n,) lie in the window."""
        inside: Mask = (instants_ns >= self.start_ns) & (instants_ns < self.end_ns)
        return inside


class RowColumn(NamedTuple):
    """A column of the rows: struct code and Arrow type of its values, and what they mean."""

    name: str  # it ends in its unit: _ns, _bytes, _tokens
    code: str
    kind: str
    nullable: bool
    doc: str

    @property
    def unit(self) -> str:
        """The unit, as in the name; empty for codes and numbers without one."""
        return next((unit for unit in UNITS if self.name.endswith(f"_{unit}")), "")


UNITS = ("ns", "bytes", "tokens")
COLUMNS = tuple(  # in this order in memory and on disk
    RowColumn(*column)
    for column in (
        ("request", "q", "int64", False, "running number within the load process"),
        ("due_ns", "q", "int64", False, "when the request should have been sent"),
        ("sent_ns", "q", "int64", True, "when its first byte went out"),
        ("first_byte_ns", "q", "int64", True, "when the first byte of the response came"),
        ("done_ns", "q", "int64", True, "when its last byte came; for an aborted request: when it was given up"),
        ("first_token_ns", "q", "int64", True, "when the first token of a streamed response came"),
        ("first_answer_ns", "q", "int64", True, "when its first token came that is no reasoning"),
        ("queue_ns", "q", "int64", True, "time in the server's queue: Server-Timing, or what it says a prompt took"),
        ("queued_at_ns", "q", "int64", True, "when the server queued it, on its machine's clock, likewise"),
        ("batch_wait_ns", "q", "int64", True, "time in the server while its batch filled, likewise"),
        ("preprocess_ns", "q", "int64", True, "the server's preprocessing, likewise"),
        ("compute_ns", "q", "int64", True, "the server's model call, likewise"),
        ("serialise_ns", "q", "int64", True, "the server's writing of the response, likewise"),
        ("client_ns", "q", "int64", True, "preprocessing in the load process, between due and sent"),
        ("read_wait_ns", "q", "int64", True, "unread time in the load's kernel; of every 8th user, each 10 ms"),
        ("clean_ns", "q", "int64", True, "the step `clean` of preprocessing, wherever it ran: a part of the above"),
        ("transform_ns", "q", "int64", True, "the step `transform`, likewise"),
        ("normalise_ns", "q", "int64", True, "the step `normalise`, likewise"),
        ("augment_ns", "q", "int64", True, "the step `augment`, likewise"),
        ("request_bytes", "i", "int32", True, "size of the request, with its head"),
        ("response_bytes", "i", "int32", True, "size of the response, with its head"),
        ("user", "i", "int32", True, "number of the user, or of the connection in an open loop"),
        ("payload", "i", "int32", True, "number of the payload in its bank"),
        ("batch_size", "i", "int32", True, "requests in the server's batch, by its Server-Timing header"),
        ("prompt_tokens", "i", "int32", True, "tokens of the prompt, by the server's count"),
        ("output_tokens", "i", "int32", True, "tokens of the response by the server, or its pieces if more"),
        ("usage_tokens", "i", "int32", True, "tokens of the response, by the server's count"),
        ("asked_tokens", "i", "int32", True, "length that was asked for; null where the model may end its turn"),
        ("cached_tokens", "i", "int32", True, "tokens of the prompt that the server had computed before"),
        ("asked_prompt_tokens", "i", "int32", True, "tokens that the prompt was made to have"),
        ("shared_tokens", "i", "int32", True, "tokens of the prompt that the load had sent before"),
        ("result_count", "i", "int32", True, "results in a response that is no stream: embeddings, ranked documents"),
        ("label", "i", "int32", True, "true class of the payload"),
        ("predicted", "i", "int32", True, "class to which the response gives the highest score, where it was read"),
        ("status", "h", "int16", True, "status of HTTP, or the HTTP equivalent of gRPC's"),
        ("worker", "h", "int16", False, "number of the load process"),
        ("server", "h", "int16", True, "which of several servers the conversation kept to"),
        ("request_class", "h", "int16", False, "the request's class in the scenario's mix"),
        ("outcome", "b", "int8", False, f"how it ended: {', '.join(outcome.name.lower() for outcome in Outcome)}"),
        ("phase", "b", "int8", False, f"when it was due: {', '.join(phase.name.lower() for phase in Phase)}"),
        ("checked", "b", "int8", False, "whether the whole response was compared with the expected one"),
    )
)  # fmt: skip

COLUMN_NAMES = tuple(column.name for column in COLUMNS)

# What is noted of each request when it ends, in this order. The other columns follow from these, or are for some
# requests only, and are filled in bulk later: to write all of them each time would cost a tenth of a request.
NOTED = (
    *("due_ns", "sent_ns", "first_byte_ns", "done_ns", "request_bytes", "response_bytes", "user", "payload"),
    *("predicted", "status", "outcome", "checked"),
)

_NUMPY_CODES = {"q": "<i8", "i": "<i4", "h": "<i2", "b": "i1"}
_CODES = {column.name: column.code for column in COLUMNS}


@functools.cache
def _dtype(names: tuple[str, ...]) -> np.dtype[np.void]:
    import numpy as np

    return np.dtype([(name, _NUMPY_CODES[_CODES[name]]) for name in names])


def row_dtype(names: Iterable[str] = COLUMN_NAMES) -> np.dtype[np.void]:
    """The NumPy structured dtype of those columns, little-endian and without gaps."""
    return _dtype(tuple(names))


@functools.cache
def row_schema() -> pa.Schema:
    """The Arrow schema of `requests.arrow`; see COLUMNS. In `requests.parquet` codes are names."""
    import pyarrow as pa

    return pa.schema(
        [pa.field(column.name, pa.type_for_alias(column.kind), nullable=column.nullable) for column in COLUMNS]
    )
