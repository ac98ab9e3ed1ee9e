"""From decoded requests to the model's input: one batch of all their rows, preprocessed where the server does that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from targets.preprocessing.place import BATCH, CLIENT, SERVER

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from harness.wire.payload_bank import Items
    from targets.preprocessing.form import Form
    from targets.preprocessing.place import Preprocessing
    from targets.servers.protocols.inference import InferRequest

    Spent = dict[str, int]  # ns by step

NOTHING: Spent = {}


@dataclass(frozen=True, slots=True)
class Intake:
    """What the server does to rows before the model sees them. `bank_items` are the bank's, to warm up with."""

    way: Preprocessing
    bank_items: Items

    @property
    def of_requests(self) -> Intake | None:
        """Itself where `admit` has something to do."""
        return self if self.way.steps_here else None

    def admit(self, request: InferRequest) -> None:
        """Once for each request, when it has been decoded: with preprocess=server its rows are made ready here."""
        if not self.way.steps_here:
            return
        request.views = self.way.pipeline.views.count
        if self.way.place == SERVER:
            raw = self.way.pipeline.raw
            block = _block(request, raw)
            ready, request.spent_ns = self.way.pipeline.apply(raw.join([block]))
            request.tensor, request.shape = ready.tobytes(), ready.shape[1:]

    def batch(self, requests: Sequence[InferRequest]) -> tuple[NDArray[Any], Spent]:
        """Inputs of the model for all rows of admitted requests, in their order; and what each step took."""
        form = self.way.pipeline.raw if self.way.place == BATCH else self.way.taken
        if form.ragged:
            joined = form.join([_block(request, form) for request in requests], self.way.padding)
        else:
            tensor = requests[0].tensor if len(requests) == 1 else b"".join([request.tensor for request in requests])
            joined = np.frombuffer(tensor, dtype=form.dtype).reshape(-1, *form.shape)
        return self.way.pipeline.apply(joined) if self.way.place == BATCH else (joined, NOTHING)

    def answers(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """One answer for each row that was asked about: the mean over its views."""
        return self._means(outputs) if self.way.steps_here else outputs

    def offline(self, call: Callable[[NDArray[Any]], NDArray[np.float32]], items: Items) -> NDArray[np.float32]:
        """What the model answers to items of the bank, whoever has to prepare them under load."""
        outputs = call(self._prepared(items))
        return self._means(outputs) if self._steps_outside else outputs

    def sample_batch(self, rows: int) -> NDArray[Any]:
        """Inputs of the model: `rows` rows, or a few less, of real items."""
        items = max(1, rows // (self.way.pipeline.views.count if self._steps_outside else 1))
        chosen = [self.bank_items[index % len(self.bank_items)] for index in range(items)]
        return self._prepared(tuple(chosen) if isinstance(self.bank_items, tuple) else np.stack(chosen))

    @property
    def _steps_outside(self) -> bool:
        """Whether the steps are neither in the model nor behind us."""
        return self.way.steps_here or self.way.place == CLIENT

    def _prepared(self, items: Items) -> NDArray[Any]:
        pipeline = self.way.pipeline
        if self._steps_outside:
            return pipeline.apply(pipeline.raw.stack(items, self.way.padding))[0]
        return self.way.taken.stack(items, self.way.padding)

    def _means(self, outputs: NDArray[np.float32]) -> NDArray[np.float32]:
        views = self.way.pipeline.views.count
        return outputs if views == 1 else outputs.reshape(-1, views, *outputs.shape[1:]).mean(axis=1)


def _block(request: InferRequest, form: Form) -> NDArray[Any]:
    return np.frombuffer(request.tensor, dtype=form.dtype).reshape(-1, *request.shape)
