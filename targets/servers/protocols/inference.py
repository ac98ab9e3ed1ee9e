"""A decoded inference request, and the batch outputs from which responses are serialised."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import orjson

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class BatchOutputs:
    """The model's outputs (n, *output_shape) for one batch, serialised once for all its requests."""

    def __init__(self, outputs: NDArray[np.float32]) -> None:
        self.outputs = outputs

    @cached_property
    def json_rows(self) -> list[bytes]:
        """The numbers of each row as JSON, flat and without brackets."""
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


class ResponseForm(Protocol):
    """The form in which a client wants the response."""

    def write(self, outputs: BatchOutputs, start: int, stop: int) -> tuple[bytes, bytes]:
        """(header lines, body) for the rows from `start` to before `stop`."""


@dataclass(slots=True)
class InferRequest:
    """`rows` valid rows of `shape` as little-endian bytes, the form of the response, and the timeout."""

    rows: int
    tensor: bytes
    shape: tuple[int, ...]
    form: ResponseForm
    timeout_ns: int | None = None
    views: int = 1  # model rows per row (test-time augmentation)
    spent_ns: dict[str, int] = field(default_factory=dict)  # by preprocessing step that ran for this request alone
    steps: int = 0  # of an explanation: model rows per row; 0: a prediction

    @property
    def weight(self) -> int:
        """The number of rows in the batch."""
        return self.rows * self.views * (self.steps or 1)


JSON_HEADERS = b"content-type: application/json\r\n"
