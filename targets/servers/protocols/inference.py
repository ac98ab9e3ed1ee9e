"""What an inference request is once its protocol is peeled off, and what its answer is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import orjson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class BatchAnswers:
    """The model's outputs (n, *output_shape) for one batch, serialised once for all requests in it."""

    def __init__(self, outputs: NDArray[np.float32]) -> None:
        self.outputs = outputs

    @cached_property
    def json_rows(self) -> list[bytes]:
        """Each row's numbers as JSON, flat and without brackets."""
        flat = self.outputs.reshape(len(self.outputs), -1)
        return orjson.dumps(flat, option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")

    def nested_json(self, start: int, stop: int) -> bytes:
        """The rows from `start` to before `stop` as a JSON list nested by the output shape."""
        if self.outputs.ndim == 2:
            return b"[[" + b"],[".join(self.json_rows[start:stop]) + b"]]"
        return orjson.dumps(self.outputs[start:stop], option=orjson.OPT_SERIALIZE_NUMPY)

    def raw(self, start: int, stop: int) -> bytes:
        """The rows as little-endian float32 bytes."""
        row_bytes = len(self._raw) // len(self.outputs)
        return self._raw[start * row_bytes : stop * row_bytes]

    @cached_property
    def _raw(self) -> bytes:
        return self.outputs.astype("<f4", copy=False).tobytes()


class ReplyForm(Protocol):
    """How one client wants its answer written."""

    def write(self, answers: BatchAnswers, start: int, stop: int) -> tuple[bytes, bytes]:
        """(header lines, body) for the rows from `start` to before `stop`."""


@dataclass(slots=True)
class InferRequest:
    """`rows` valid rows of `shape` as little-endian bytes, the form of the answer, and how long it may wait."""

    rows: int
    tensor: bytes
    shape: tuple[int, ...]
    form: ReplyForm
    timeout_ns: int | None = None
    views: int = 1  # of each row, that go through the model
    spent_ns: dict[str, int] = field(default_factory=dict)  # on steps of preprocessing of this request alone
    steps: int = 0  # of an explanation: rows that go through the model for each row; 0: a prediction

    @property
    def weight(self) -> int:
        """How many rows of a batch it takes."""
        return self.rows * self.views * (self.steps or 1)


JSON_HEADERS = b"content-type: application/json\r\n"
