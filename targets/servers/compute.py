"""The interface that runs batches on the model, and its implementation in the process that listens.

A short model call runs on the event loop, because handing it to a thread and back would cost about as much. A long one
runs on the compute thread, so that the loop continues to read and refuse requests. The service-time curve measured at
warm-up decides for each batch. (Later calls do not update it: on the thread they include waiting for the interpreter
lock, which would keep further calls on the thread.)
"""

from __future__ import annotations

import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from harness.clock import NS_PER_MS, monotonic_ns
from targets.batching.curve import ServiceCurve
from targets.servers.model_call import run_batch
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from targets.engines import InferenceEngine
    from targets.explain import Explainer
    from targets.preprocessing.input_assembler import InputAssembler
    from targets.servers.model_call import BatchResult
    from targets.servers.protocols.inference import InferRequest

    Result = BatchResult | ProtocolError

INLINE_LIMIT_NS = 1 * NS_PER_MS
WARM_BATCHES = (1, 2, 4, 8, 16, 32, 64)
WARM_CALLS = 5
SWITCH_INTERVAL_S = 0.0005
REST_S = 0.002

MODEL_FAILED = ProtocolError(500, "the model failed; the server's log says why")


class PendingRequest(Protocol):
    """A decoded request that waits for the model, from any protocol."""

    request: InferRequest
    rows: int
    arrived_ns: int
    expires_ns: int

    def deliver(self, headers: bytes, timing: bytes, body: bytes) -> None:
        """Send the prediction: header lines of the form, the `Server-Timing` line, and the body."""

    def refuse(self, error: ProtocolError) -> None:
        """Send the protocol's error response."""


class SampleSource(Protocol):
    """Provides inputs for warming up an engine."""

    def sample_batch(self, rows: int) -> NDArray[Any]:
        """Inputs (rows, *item)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The requests of one batch."""

    items: list[PendingRequest]
    rows: int
    taken_ns: int
    free_since_ns: int  # when the model last became free

    def requests(self) -> list[InferRequest]:
        """The requests of the items, in order."""
        return [item.request for item in self.items]

    def explains(self) -> bool:
        """Whether any request is an explanation, to which the service-time curve does not apply."""
        return any(item.request.steps for item in self.items)


class Compute(Protocol):
    """Runs batches on the model. All methods are called from the event loop, and so are the callbacks."""

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        finish: Callable[[Batch, Result], None],
        on_free: Callable[[], None],
    ) -> None:
        """Called once. `finish` gets the result of every batch; `on_free` means that `free` may have become true."""

    def stop(self) -> None:
        """Called once, after the last batch."""

    def able(self) -> bool:
        """Whether batches can be computed now or soon; False while a needed process is being started again."""
        return True

    def free(self) -> bool:
        """Whether another batch would start at once."""

    def run(self, batch: Batch) -> None:
        """Start a batch; only while `free` is true. `finish` may be called before this returns."""

    def rest(self) -> None:
        """Block until the running batch ends, at most `REST_S`; does nothing where it computes on other cores."""
        return


def warm_curve(engine: InferenceEngine, samples: SampleSource) -> Iterator[tuple[int, int]]:
    """(rows, minimum ns of some calls) for several batch sizes; makes the slow first call of each."""
    for rows in WARM_BATCHES:
        inputs = samples.sample_batch(rows)
        yield rows, min(_timed_call_ns(engine, inputs) for _ in range(WARM_CALLS))


def _timed_call_ns(engine: InferenceEngine, inputs: NDArray[Any]) -> int:
    start_ns = monotonic_ns()
    engine.predict(inputs)
    return monotonic_ns() - start_ns


class LocalCompute(Compute):
    """One engine in this process, one batch at a time."""

    _loop: asyncio.AbstractEventLoop
    _finish: Callable[[Batch, Result], None]
    _on_free: Callable[[], None]

    def __init__(self, engine: InferenceEngine, assembler: InputAssembler, explainer: Explainer | None = None) -> None:
        self._engine = engine
        self._explainer = explainer
        self._assembler = assembler
        self._curve = ServiceCurve()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compute")
        self._computing = False
        self._ended = threading.Event()  # set when the batch on the thread has ended

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        finish: Callable[[Batch, Result], None],
        on_free: Callable[[], None],
    ) -> None:
        """Make the slow first call of each batch size before any request, and fit the service-time curve."""
        self._loop, self._finish, self._on_free = loop, finish, on_free
        # After the model call the compute thread competes with a busy loop: by default it would wait up to 5 ms.
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        for rows, call_ns in warm_curve(self._engine, self._assembler):
            self._curve.observe(rows, call_ns)

    def stop(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def free(self) -> bool:
        """Whether no batch is running."""
        return not self._computing

    def run(self, batch: Batch) -> None:
        """Run a short batch at once on the event loop, a long one on the thread."""
        self._computing = True
        if self._curve.predict_ns(batch.rows) <= INLINE_LIMIT_NS and not batch.explains():
            self._done(batch, self._work(batch))
        else:
            self._ended.clear()
            self._thread.submit(self._work, batch).add_done_callback(lambda done: self._hand_over(batch, done))

    def rest(self) -> None:
        """Wait for the running batch: reading and refusing would take the core from the compute thread."""
        if self._computing:
            self._ended.wait(REST_S)

    def _work(self, batch: Batch) -> Result:
        try:
            return run_batch(self._engine, self._assembler, batch.requests(), self._explainer)
        except Exception:  # noqa: BLE001  (the model is foreign code: its failure is the batch's, not the server's)
            traceback.print_exc(file=sys.stderr)
            return MODEL_FAILED

    def _hand_over(self, batch: Batch, future: Future[Result]) -> None:
        self._ended.set()
        self._loop.call_soon_threadsafe(self._done, batch, future.result())

    def _done(self, batch: Batch, result: Result) -> None:
        self._computing = False
        self._finish(batch, result)
        self._on_free()
