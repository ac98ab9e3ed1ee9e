"""`batched`: requests wait in one bounded queue and go through the model together.

A short model call runs on the event loop's own turn: handing it to a thread and back costs about as much.
A long one runs on the one compute thread, so that the loop goes on reading and refusing meanwhile. The
service-time curve measured at warm-up decides, batch by batch. (It does not learn from later calls: on the
thread they include waiting for the interpreter lock, and would keep themselves there.)
"""

from __future__ import annotations

import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import numpy as np

from harness.clock import NS_PER_MS, monotonic_ns
from targets.batching import make_policy
from targets.batching.curve import ServiceCurve
from targets.servers.errors import ProtocolError, expired
from targets.servers.responses import timing_queue
from targets.servers.timer import PreciseTimer
from targets.servers.triton_documents import Batching
from targets.servers.work import Done, work

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from harness.knobs import Setting
    from targets.batching.queue import BatchQueue
    from targets.engines import Engine
    from targets.servers.http_connection import Exchange
    from targets.servers.inference import InferRequest
    from targets.servers.protocol import ProtocolLayer

INLINE_LIMIT_NS = 1 * NS_PER_MS
WARM_BATCHES = (1, 2, 4, 8, 16, 32, 64)
WARM_CALLS = 5
SWITCH_INTERVAL_S = 0.0005


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


def batching_of(setting: Setting) -> Batching:
    """What the model's configuration says of `setting`."""
    waits = setting["batch_policy"] == "fixed"
    return Batching(int(setting["batch_size"]), round(float(setting["batch_wait_ms"]) * 1000) if waits else 0)


class BatchedBackend:
    """The dynamic batcher of one model. Everything but the model call itself happens on the event loop."""

    _loop: asyncio.AbstractEventLoop
    _timer: PreciseTimer

    def __init__(self, protocol: ProtocolLayer, engine: Engine, queue: BatchQueue[Pending]) -> None:
        self._protocol = protocol
        self._telemetry = protocol.telemetry
        self._engine = engine
        self._queue = queue
        self._curve = ServiceCurve()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compute")
        self._computing = False
        self._turn_is_due = False
        self._stopped = False
        self._idle_since_ns = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make the first call of each batch size here and not in a client's request, and learn the curve."""
        self._loop = loop
        self._timer = PreciseTimer(loop, self._turn)
        # The compute thread comes back from the model into a busy loop: by default it would wait 5 ms for its turn.
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        shape = self._protocol.model.meta.input_shape
        for rows in WARM_BATCHES:
            inputs = np.zeros((rows, *shape), np.float32)
            self._curve.observe(rows, min(self._timed_call_ns(inputs) for _ in range(WARM_CALLS)))

    def _timed_call_ns(self, inputs: NDArray[np.float32]) -> int:
        start_ns = monotonic_ns()
        self._engine.predict(inputs)
        return monotonic_ns() - start_ns

    def stop(self) -> None:
        """Give the thread and the timer back; who still waits has gone."""
        self._stopped = True
        self._thread.shutdown()
        self._timer.close()

    @property
    def max_rows(self) -> int:
        """The most rows that one request may have."""
        return self._queue.batch_size

    def has_room(self) -> bool:
        """Whether one row more may wait."""
        return self._queue.has_room()

    def apply(self, setting: Setting) -> None:
        """Take new values of the live knobs; what waits is looked at again."""
        self._queue.batch_size = int(setting["batch_size"])
        self._queue.queue_limit = int(setting["queue_limit"])
        self._queue.policy = make_policy(setting)
        self._protocol.batching = batching_of(setting)
        self._look_soon()

    def infer(self, exchange: Exchange, body: bytes) -> bool:
        """Decode, and let it wait for the next batch; False where the queue is full. Raises ProtocolError."""
        if not self._queue.has_room():  # it was asked when the head came; others may have come since
            return False
        head = exchange.head
        request = self._protocol.decode(head.action, body, head.json_length, self._queue.batch_size)
        exchange.request = request
        exchange.rows = request.rows
        timeout_ns = request.timeout_ns
        if head.timeout_ns is not None:
            timeout_ns = min(head.timeout_ns, timeout_ns or head.timeout_ns)
        return self.offer(exchange, timeout_ns)

    def offer(self, item: Pending, timeout_ns: int | None) -> bool:
        """Let a decoded request wait for the next batch; False where the queue is full."""
        if not self._queue.offer(item, monotonic_ns(), timeout_ns):
            return False
        if not self._turn_is_due:
            self._look_soon()
        return True

    def _look_soon(self) -> None:
        # After all connections that are ready now have been read: what came together leaves together.
        if not self._computing:
            self._turn_is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_due = False
        if self._computing or self._stopped:
            return
        now_ns = monotonic_ns()
        for late in self._queue.drop_expired(now_ns):
            late.refuse(expired())
        batch = self._queue.take(now_ns)
        if batch is None:
            due_ns = self._queue.deadline_ns()
            if due_ns is not None:
                self._timer.arm(due_ns)
            return
        self._computing = True
        rows = sum([exchange.rows for exchange in batch])
        if self._curve.predict_ns(rows) <= INLINE_LIMIT_NS:
            self._finish(batch, now_ns, self._work(batch))
        else:
            future = self._thread.submit(self._work, batch)
            future.add_done_callback(lambda done: self._hand_over(batch, now_ns, done))

    def _work(self, batch: list[Pending]) -> Done | None:
        try:
            return work(self._engine, self._protocol.model.meta.input_shape, [exchange.request for exchange in batch])
        except Exception:  # noqa: BLE001  (the model is foreign code: its failure is the batch's, not the server's)
            traceback.print_exc(file=sys.stderr)
            return None

    def _hand_over(self, batch: list[Pending], taken_ns: int, future: Future[Done | None]) -> None:
        self._loop.call_soon_threadsafe(self._finish, batch, taken_ns, future.result())

    def _finish(self, batch: list[Pending], taken_ns: int, done: Done | None) -> None:
        self._computing = False
        if done is None:
            for exchange in batch:
                exchange.refuse(ProtocolError(500, "the model failed; the server's log says why"))
        else:
            self._queue.policy.observe(done.rows, done.compute_ns)
            self._answer(batch, taken_ns, done)
        self._idle_since_ns = monotonic_ns()
        if self._queue.rows:
            self._look_soon()

    def _answer(self, batch: list[Pending], taken_ns: int, done: Done) -> None:
        self._telemetry.answered(done, [taken_ns - exchange.arrived_ns for exchange in batch])
        # A batch begins to form when the model is free and its first row is there.
        forming_ns = max(self._idle_since_ns, batch[0].arrived_ns)
        for exchange, (headers, body) in zip(batch, done.replies, strict=True):
            arrived_ns = exchange.arrived_ns
            began_ns = max(arrived_ns, forming_ns)
            timing = timing_queue(began_ns - arrived_ns, taken_ns - began_ns, done.rows)
            exchange.deliver(headers, timing + done.timing, body)
