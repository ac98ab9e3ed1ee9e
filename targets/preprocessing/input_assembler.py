"""Assembles the rows of decoded requests into the model's input, preprocessed where the server does that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from targets.preprocessing.place import BATCH, CLIENT, SERVER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from harness.wire.payload_bank import Items
    from targets.preprocessing.place import Preprocessing
    from targets.preprocessing.tensor_spec import TensorSpec
    from targets.servers.protocols.inference import InferRequest

    Spent = dict[str, int]  # ns by step

NOTHING: Spent = {}


@dataclass(frozen=True, slots=True)
class InputAssembler:
    """Preprocesses and batches rows before the model call. `bank_items` are the payload bank's, for warm-up."""

    preprocessing: Preprocessing
    bank_items: Items

    @property
    def per_request(self) -> InputAssembler | None:
        """Itself where `admit` must be called for each request, else None."""
        return self if self.preprocessing.in_server else None

    def admit(self, request: InferRequest) -> None:
        """Set the views of a decoded request and, with preprocess=server, preprocess its rows. Once per request."""
        if not self.preprocessing.in_server:
            return
        request.views = self.preprocessing.pipeline.views.count
        if self.preprocessing.place == SERVER:
            raw = self.preprocessing.pipeline.raw
            block = _block(request, raw)
            ready, request.spent_ns = self.preprocessing.pipeline.apply(raw.join([block]))
            request.tensor, request.shape = ready.tobytes(), ready.shape[1:]

    def batch(self, requests: Sequence[InferRequest]) -> tuple[NDArray[Any], Spent]:
        """The model's input for all rows of admitted requests, in order, and ns per preprocessing step."""
        spec = self.preprocessing.pipeline.raw if self.preprocessing.place == BATCH else self.preprocessing.model_input
        if spec.ragged:
            joined = spec.join([_block(request, spec) for request in requests], self.preprocessing.padding)
        else:
            tensor = requests[0].tensor if len(requests) == 1 else b"".join([request.tensor for request in requests])
            joined = np.frombuffer(tensor, dtype=spec.dtype).reshape(-1, *spec.shape)
        return self.preprocessing.pipeline.apply(joined) if self.preprocessing.place == BATCH else (joined, NOTHING)

    def average_views(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """One output (n, *output_shape) per requested row: the mean over its views."""
        return self._means(outputs) if self.preprocessing.in_server else outputs

    def offline(self, call: Callable[[NDArray[Any]], NDArray[np.float32]], items: Items) -> NDArray[np.float32]:
        """The model's outputs for items of the bank, wherever preprocessing runs under load."""
        outputs = call(self._prepared(items))
        return self._means(outputs) if self._steps_outside else outputs

    def sample_batch(self, rows: int) -> NDArray[Any]:
        """Model input of about `rows` rows (rounded down to whole items) made of bank items."""
        items = max(1, rows // (self.preprocessing.pipeline.views.count if self._steps_outside else 1))
        chosen = [self.bank_items[index % len(self.bank_items)] for index in range(items)]
        return self._prepared(tuple(chosen) if isinstance(self.bank_items, tuple) else np.stack(chosen))

    @property
    def _steps_outside(self) -> bool:
        """Whether the steps are neither in the model nor already done in the bank."""
        return self.preprocessing.in_server or self.preprocessing.place == CLIENT

    def _prepared(self, items: Items) -> NDArray[Any]:
        pipeline = self.preprocessing.pipeline
        if self._steps_outside:
            return pipeline.apply(pipeline.raw.stack(items, self.preprocessing.padding))[0]
        return self.preprocessing.model_input.stack(items, self.preprocessing.padding)

    def _means(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        views = self.preprocessing.pipeline.views.count
        return outputs if views == 1 else outputs.reshape(-1, views, *outputs.shape[1:]).mean(axis=1)


def _block(request: InferRequest, spec: TensorSpec) -> NDArray[Any]:
    return np.frombuffer(request.tensor, dtype=spec.dtype).reshape(-1, *request.shape)
