"""Where a batch goes through the model. Here: in the process that listens.

A short model call runs on the event loop's own turn: handing it to a thread and back costs about as much.
A long one runs on the one compute thread, so that the loop goes on reading and refusing meanwhile. The
service-time curve measured at warm-up decides, batch by batch. (It does not learn from later calls: on the
thread they include waiting for the interpreter lock, and would keep themselves there.)
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
from targets.servers.protocols.errors import ProtocolError
from targets.servers.work import work

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from targets.engines import Engine
    from targets.explain import Explainer
    from targets.preprocessing.intake import Intake
    from targets.servers.protocols.inference import InferRequest
    from targets.servers.work import Done

    Result = Done | ProtocolError

INLINE_LIMIT_NS = 1 * NS_PER_MS
WARM_BATCHES = (1, 2, 4, 8, 16, 32, 64)
WARM_CALLS = 5
SWITCH_INTERVAL_S = 0.0005
REST_S = 0.002

MODEL_FAILED = ProtocolError(500, "the model failed; the server's log says why")


class Pending(Protocol):
    """A decoded request that waits for the model, whatever brought it."""

    request: InferRequest
    rows: int
    arrived_ns: int
    expires_ns: int

    def deliver(self, headers: bytes, timing: bytes, body: bytes) -> None:
        """Send what the model said: header lines of the form, `Server-Timing`, body."""

    def refuse(self, error: ProtocolError) -> None:
        """Send the protocol's error."""


class Samples(Protocol):
    """Gives what an engine takes, to warm it up with."""

    def sample_batch(self, rows: int) -> NDArray[Any]:
        """Inputs (rows, *item)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that go through the model together, and since when they could have."""

    items: list[Pending]
    rows: int
    taken_ns: int
    free_since_ns: int  # when the model had last become free

    def requests(self) -> list[InferRequest]:
        """The requests of the items, in order."""
        return [item.request for item in self.items]

    def explains(self) -> bool:
        """Whether any is an explanation, whose cost is not on a curve of predictions."""
        return any(item.request.steps for item in self.items)


class Compute(Protocol):
    """Takes batches through the model. Everything is called from the event loop, and calls back on it."""

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        finish: Callable[[Batch, Result], None],
        on_free: Callable[[], None],
    ) -> None:
        """Called once. `finish` gets every batch back; `on_free` says that `free` may have become true."""

    def stop(self) -> None:
        """Called once, after the last batch."""

    def able(self) -> bool:
        """Whether anything can be computed now or soon; False while what it needs is being started again."""
        return True

    def free(self) -> bool:
        """Whether another batch would begin at once."""

    def run(self, batch: Batch) -> None:
        """Begin; only while `free`. `finish` may be called before this returns."""

    def rest(self) -> None:
        """Block until the batch under way ends, `REST_S` at most; at once where it computes on other cores."""
        return


def warm_curve(engine: Engine, samples: Samples) -> Iterator[tuple[int, int]]:
    """(rows, shortest ns of some calls) for several batch sizes: the first call of each is made here."""
    for rows in WARM_BATCHES:
        inputs = samples.sample_batch(rows)
        yield rows, min(_timed_call_ns(engine, inputs) for _ in range(WARM_CALLS))


def _timed_call_ns(engine: Engine, inputs: NDArray[Any]) -> int:
    start_ns = monotonic_ns()
    engine.predict(inputs)
    return monotonic_ns() - start_ns


class LocalCompute(Compute):
    """One engine in this process, one batch at a time."""

    _loop: asyncio.AbstractEventLoop
    _finish: Callable[[Batch, Result], None]
    _on_free: Callable[[], None]

    def __init__(self, engine: Engine, intake: Intake, explainer: Explainer | None = None) -> None:
        self._engine = engine
        self._explainer = explainer
        self._intake = intake
        self._curve = ServiceCurve()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compute")
        self._computing = False
        self._ended = threading.Event()  # the batch that is on the thread

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        finish: Callable[[Batch, Result], None],
        on_free: Callable[[], None],
    ) -> None:
        """Make the first call of each batch size here and not in a client's request, and learn the curve."""
        self._loop, self._finish, self._on_free = loop, finish, on_free
        # The compute thread comes back from the model into a busy loop: by default it would wait 5 ms for its turn.
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        for rows, call_ns in warm_curve(self._engine, self._intake):
            self._curve.observe(rows, call_ns)

    def stop(self) -> None:
        """Give the thread back."""
        self._thread.shutdown()

    def free(self) -> bool:
        """Whether no batch is being computed."""
        return not self._computing

    def run(self, batch: Batch) -> None:
        """On the loop's own turn or on the thread."""
        self._computing = True
        if self._curve.predict_ns(batch.rows) <= INLINE_LIMIT_NS and not batch.explains():
            self._done(batch, self._work(batch))
        else:
            self._ended.clear()
            self._thread.submit(self._work, batch).add_done_callback(lambda done: self._hand_over(batch, done))

    def rest(self) -> None:
        """Whoever reads and refuses meanwhile takes the core from the compute thread at each wake-up."""
        if self._computing:
            self._ended.wait(REST_S)

    def _work(self, batch: Batch) -> Result:
        try:
            return work(self._engine, self._intake, batch.requests(), self._explainer)
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
