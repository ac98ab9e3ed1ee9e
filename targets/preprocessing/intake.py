"""From decoded requests to the model's input: one batch of all their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from targets.preprocessing.form import Form
    from targets.servers.inference import InferRequest


@dataclass(frozen=True, slots=True)
class Intake:
    """Joins the rows of requests, padded where they differ in length. `sample` are real items, to warm up with."""

    form: Form
    sample: Sequence[NDArray[Any]]
    padding: str = "longest"

    def batch(self, requests: Sequence[InferRequest]) -> NDArray[Any]:
        """Inputs (rows, *item), in the order of the requests."""
        form = self.form
        if form.ragged:
            return form.join([self._block(request) for request in requests], self.padding)
        tensor = requests[0].tensor if len(requests) == 1 else b"".join([request.tensor for request in requests])
        return np.frombuffer(tensor, dtype=form.dtype).reshape(-1, *form.shape)

    def _block(self, request: InferRequest) -> NDArray[Any]:
        return np.frombuffer(request.tensor, dtype=self.form.dtype).reshape(request.rows, *request.shape)

    def sample_batch(self, rows: int) -> NDArray[Any]:
        """Inputs (rows, *item) of real items."""
        items = [self.sample[index % len(self.sample)] for index in range(rows)]
        return self.form.join([item[None] for item in items], self.padding)
