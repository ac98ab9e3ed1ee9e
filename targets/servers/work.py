"""One model call for a batch of requests: join, compute, serialise, each timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.clock import monotonic_ns
from targets.servers.http.responses import timing_work
from targets.servers.protocols.inference import BatchAnswers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from targets.engines import Engine
    from targets.explain import Explainer
    from targets.preprocessing.intake import Intake
    from targets.servers.protocols.inference import InferRequest

    Call = Callable[[NDArray[np.float32]], NDArray[np.float32]]


class Joining(NamedTuple):
    """How long it took to make one input of a batch, and in it the steps of preprocessing, by name; in ns."""

    whole_ns: int
    steps_ns: dict[str, int]


@dataclass(frozen=True, slots=True)
class Done:
    """What one model call gave: (headers, body) per request, in order, and how long it took."""

    replies: list[tuple[bytes, bytes]]
    rows: int
    preprocess_ns: int
    stages_ns: tuple[int, ...]  # of the model call, per stage of the model
    serialise_ns: int
    timing: bytes  # the end of Server-Timing

    @property
    def compute_ns(self) -> int:
        """What the model call took, without waiting between stages."""
        return sum(self.stages_ns)

    def timing_of(self, request: InferRequest) -> bytes:
        """The end of Server-Timing for one of the requests: what it was preprocessed alone is its own."""
        own_ns = request.spent_ns
        if not own_ns:
            return self.timing
        return timing_work(self.preprocess_ns + sum(own_ns.values()), self.stages_ns, self.serialise_ns, own_ns)


def work(engine: Engine, intake: Intake, requests: Sequence[InferRequest], explainer: Explainer | None = None) -> Done:
    """Run the model on all rows of `requests`, predictions at once and then explanations at once; any thread."""
    if explainer is None:
        return _work(engine.predict, intake, requests)
    predictions = [request for request in requests if not request.steps]
    explanations = [request for request in requests if request.steps]
    parts = [
        _work(call, intake, some)
        for call, some in ((engine.predict, predictions), (explainer.explain, explanations))
        if some
    ]
    return parts[0] if len(parts) == 1 else _joined(parts, requests)


def _joined(parts: list[Done], requests: Sequence[InferRequest]) -> Done:
    """Predictions and explanations of one batch, answered together in the order of the requests."""
    replies = [iter(part.replies) for part in parts]
    in_order = [next(replies[bool(request.steps)]) for request in requests]
    preprocess_ns, compute_ns, serialise_ns = (
        sum(getattr(part, name) for part in parts) for name in ("preprocess_ns", "compute_ns", "serialise_ns")
    )
    timing = timing_work(preprocess_ns, (compute_ns,), serialise_ns)
    return Done(in_order, sum(part.rows for part in parts), preprocess_ns, (compute_ns,), serialise_ns, timing)


def _work(call: Call, intake: Intake, requests: Sequence[InferRequest]) -> Done:
    start_ns = monotonic_ns()
    inputs, steps_ns = intake.batch(requests)
    joined_ns = monotonic_ns()
    outputs = intake.answers(call(inputs))
    return reply(outputs, requests, Joining(joined_ns - start_ns, steps_ns), (monotonic_ns() - joined_ns,))


def reply(
    outputs: NDArray[np.float32], requests: Sequence[InferRequest], joining: Joining, stages_ns: tuple[int, ...]
) -> Done:
    """What the `outputs` (rows, *output_shape) say to each request, after so long in each of the model's stages."""
    start_ns = monotonic_ns()
    replies = _replies(BatchAnswers(outputs), requests)
    serialised_ns = monotonic_ns() - start_ns
    timing = timing_work(joining.whole_ns, stages_ns, serialised_ns, joining.steps_ns)
    rows = sum(request.weight for request in requests)
    return Done(replies, rows, joining.whole_ns, stages_ns, serialised_ns, timing)


def _replies(answers: BatchAnswers, requests: Sequence[InferRequest]) -> list[tuple[bytes, bytes]]:
    replies = []
    start = 0
    for request in requests:
        stop = start + request.rows
        replies.append(request.form.write(answers, start, stop))
        start = stop
    return replies
