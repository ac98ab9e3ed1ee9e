"""One model call for a batch of requests: join, compute, serialise, each timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import monotonic_ns
from targets.servers.inference import BatchAnswers
from targets.servers.responses import timing_work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from targets.engines import Engine
    from targets.servers.inference import InferRequest


@dataclass(frozen=True, slots=True)
class Done:
    """What one model call gave: (headers, body) per request, in order, and how long it took."""

    replies: list[tuple[bytes, bytes]]
    rows: int
    preprocess_ns: int
    compute_ns: int
    serialise_ns: int
    timing: bytes  # the end of Server-Timing


def work(engine: Engine, input_shape: tuple[int, ...], requests: Sequence[InferRequest]) -> Done:
    """Run the model on all rows of `requests` at once; any thread."""
    start_ns = monotonic_ns()
    tensor = requests[0].tensor if len(requests) == 1 else b"".join([request.tensor for request in requests])
    inputs = np.frombuffer(tensor, dtype="<f4").reshape(-1, *input_shape)
    joined_ns = monotonic_ns()
    outputs = engine.predict(inputs)
    computed_ns = monotonic_ns()
    replies = _replies(BatchAnswers(outputs), requests)
    end_ns = monotonic_ns()
    spent_ns = (joined_ns - start_ns, computed_ns - joined_ns, end_ns - computed_ns)
    return Done(replies, len(inputs), *spent_ns, timing_work(*spent_ns))


def _replies(answers: BatchAnswers, requests: Sequence[InferRequest]) -> list[tuple[bytes, bytes]]:
    replies = []
    start = 0
    for request in requests:
        stop = start + request.rows
        replies.append(request.form.write(answers, start, stop))
        start = stop
    return replies
