"""The schema of a row: everything that is recorded of one request.

In the load process a row is one packed struct written into a preallocated buffer (`row_struct` and `row_dtype`: the
same layout for `struct` and NumPy); on disk it is one line of an Arrow table (`row_schema`).
An absent number is `ABSENT` in memory and null on disk, never zero.

Instants are nanoseconds on CLOCK_MONOTONIC. `due_ns` is when the request should have been sent,
`sent_ns` when its first byte went out, `first_byte_ns` and `done_ns` when the first and the last byte
of the answer came. Response time is done - due, service time done - sent, lateness sent - due.
The server's own split comes from its `Server-Timing` header. A streamed answer has tokens besides: when the first
one came, and how many there were of prompt and answer; when each came is in `tokens.arrow`
(`harness/record/token_times.py`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

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


# name, struct code, Arrow type, nullable. The order is the order in memory and on disk.
COLUMNS: tuple[tuple[str, str, str, bool], ...] = (
    ("request", "q", "int64", False),  # running number within the worker
    ("due_ns", "q", "int64", False),
    ("sent_ns", "q", "int64", True),
    ("first_byte_ns", "q", "int64", True),
    ("done_ns", "q", "int64", True),  # for an aborted request: the instant it was given up (right-censored)
    ("first_token_ns", "q", "int64", True),  # of a streamed answer: the first piece of any output
    ("first_answer_ns", "q", "int64", True),  # the first piece that is no reasoning
    ("queue_ns", "q", "int64", True),
    ("batch_wait_ns", "q", "int64", True),
    ("preprocess_ns", "q", "int64", True),
    ("compute_ns", "q", "int64", True),
    ("serialise_ns", "q", "int64", True),
    ("client_ns", "q", "int64", True),  # what the load process itself spent on preprocessing, between due and sent
    ("clean_ns", "q", "int64", True),  # the steps of preprocessing, wherever they ran: parts of the above
    ("transform_ns", "q", "int64", True),
    ("normalise_ns", "q", "int64", True),
    ("augment_ns", "q", "int64", True),
    ("request_bytes", "i", "int32", True),
    ("response_bytes", "i", "int32", True),
    ("user", "i", "int32", True),
    ("payload", "i", "int32", True),
    ("batch_size", "i", "int32", True),
    ("prompt_tokens", "i", "int32", True),  # of a streamed answer, as the server counted them
    ("output_tokens", "i", "int32", True),  # the server's count, or that of the pieces where it is lower or absent
    ("usage_tokens", "i", "int32", True),  # of the answer, as the server counted them
    ("asked_tokens", "i", "int32", True),  # the length that was asked for; null where the model may end its turn
    ("cached_tokens", "i", "int32", True),  # of the prompt: those that the server had computed before
    ("asked_prompt_tokens", "i", "int32", True),  # of the prompt, as it was to have
    ("shared_tokens", "i", "int32", True),  # of the prompt: those that the load had sent before
    ("result_count", "i", "int32", True),  # of an answer that is no stream: embeddings, ranked documents
    ("label", "i", "int32", True),  # the payload's true class
    ("predicted", "i", "int32", True),  # the class that the answer gives the highest score, where it was looked at
    ("status", "h", "int16", True),
    ("worker", "h", "int16", False),
    ("request_class", "h", "int16", False),  # index into LoadReport.request_classes
    ("outcome", "b", "int8", False),
    ("phase", "b", "int8", False),
    ("checked", "b", "int8", False),  # 1 where the whole answer was compared with the expected one
)

COLUMN_NAMES = tuple(name for name, *_ in COLUMNS)

# What is noted of each request when it ends, in this order. The other columns follow from these, or are for some
# requests only, and are filled in bulk later: to write all of them each time would cost a tenth of a request.
NOTED = (
    *("due_ns", "sent_ns", "first_byte_ns", "done_ns", "request_bytes", "response_bytes", "user", "payload"),
    *("predicted", "status", "outcome", "checked"),
)

_NUMPY_CODES = {"q": "<i8", "i": "<i4", "h": "<i2", "b": "i1"}
_CODES = {name: code for name, code, _, _ in COLUMNS}


def row_struct(names: Iterable[str] = COLUMN_NAMES) -> struct.Struct:
    """Packs the values of those columns, little-endian and without gaps."""
    return struct.Struct("<" + "".join(_CODES[name] for name in names))


def row_dtype(names: Iterable[str] = COLUMN_NAMES) -> np.dtype[np.void]:
    """The NumPy structured dtype with the layout of `row_struct`."""
    import numpy as np

    return np.dtype([(name, _NUMPY_CODES[_CODES[name]]) for name in names])


def row_schema() -> pa.Schema:
    """The Arrow schema of `requests.arrow`; see COLUMNS."""
    import pyarrow as pa

    return pa.schema([pa.field(name, pa.type_for_alias(kind), nullable=null) for name, _, kind, null in COLUMNS])
