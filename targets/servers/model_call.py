"""Runs the model for a batch of requests: joins the rows, computes, and serialises the outputs, each timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.clock import monotonic_ns
from targets.servers.http.responses import timing_work
from targets.servers.protocols.inference import BatchOutputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import InferenceEngine
    from targets.explain import Explainer
    from targets.preprocessing.input_assembler import InputAssembler
    from targets.servers.protocols.inference import InferRequest

    Call = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class JoinTimes(NamedTuple):
    """The time to assemble the input of a batch, and the part of each preprocessing step by name, in ns."""

    whole_ns: int
    steps_ns: dict[str, int]


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of one model call: (headers, body) per request, in order, and the durations."""

    responses: list[tuple[bytes, bytes]]
    rows: int
    preprocess_ns: int
    stages_ns: tuple[int, ...]  # of the model call, per stage of the model
    serialise_ns: int
    timing: bytes  # the end of Server-Timing

    @property
    def compute_ns(self) -> int:
        """The duration of the model call, without waiting between stages."""
        return sum(self.stages_ns)

    def timing_of(self, request: InferRequest) -> bytes:
        """The end of Server-Timing for one request, including the preprocessing of this request alone."""
        own_ns = request.spent_ns
        if not own_ns:
            return self.timing
        return timing_work(self.preprocess_ns + sum(own_ns.values()), self.stages_ns, self.serialise_ns, own_ns)


def run_batch(
    engine: InferenceEngine,
    assembler: InputAssembler,
    requests: Sequence[InferRequest],
    explainer: Explainer | None = None,
) -> BatchResult:
    """Run the model on all rows of `requests`: all predictions in one call, all explanations in another. Any thread."""
    if explainer is None:
        return _run(engine.predict, assembler, requests)
    predictions = [request for request in requests if not request.steps]
    explanations = [request for request in requests if request.steps]
    parts = [
        _run(call, assembler, some)
        for call, some in ((engine.predict, predictions), (explainer.explain, explanations))
        if some
    ]
    return parts[0] if len(parts) == 1 else _joined(parts, requests)


def _joined(parts: list[BatchResult], requests: Sequence[InferRequest]) -> BatchResult:
    """Merge the predictions and explanations of one batch in the order of the requests."""
    responses = [iter(part.responses) for part in parts]
    in_order = [next(responses[bool(request.steps)]) for request in requests]
    preprocess_ns, compute_ns, serialise_ns = (
        sum(getattr(part, name) for part in parts) for name in ("preprocess_ns", "compute_ns", "serialise_ns")
    )
    timing = timing_work(preprocess_ns, (compute_ns,), serialise_ns)
    return BatchResult(in_order, sum(part.rows for part in parts), preprocess_ns, (compute_ns,), serialise_ns, timing)


def _run(call: Call, assembler: InputAssembler, requests: Sequence[InferRequest]) -> BatchResult:
    start_ns = monotonic_ns()
    inputs, steps_ns = assembler.batch(requests)
    joined_ns = monotonic_ns()
    outputs = assembler.average_views(call(inputs))
    return serialise(outputs, requests, JoinTimes(joined_ns - start_ns, steps_ns), (monotonic_ns() - joined_ns,))


def serialise(
    outputs: NDArray[np.float32], requests: Sequence[InferRequest], join_times: JoinTimes, stages_ns: tuple[int, ...]
) -> BatchResult:
    """Serialise `outputs` (rows, *output_shape) per request; `stages_ns` are the durations of the model's stages."""
    start_ns = monotonic_ns()
    responses = _responses(BatchOutputs(outputs), requests)
    serialised_ns = monotonic_ns() - start_ns
    timing = timing_work(join_times.whole_ns, stages_ns, serialised_ns, join_times.steps_ns)
    rows = sum(request.weight for request in requests)
    return BatchResult(responses, rows, join_times.whole_ns, stages_ns, serialised_ns, timing)


def _responses(outputs: BatchOutputs, requests: Sequence[InferRequest]) -> list[tuple[bytes, bytes]]:
    responses = []
    start = 0
    for request in requests:
        stop = start + request.rows
        responses.append(request.form.write(outputs, start, stop))
        start = stop
    return responses
