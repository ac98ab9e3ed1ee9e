"""`batched`: requests wait in one bounded queue and are computed in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.clock import monotonic_ns
from targets.batching import make_policy
from targets.servers.backend import Backend
from targets.servers.compute import Batch
from targets.servers.http.responses import timing_queue
from targets.servers.protocols.errors import ProtocolError, expired
from targets.servers.protocols.triton_documents import Batching
from targets.servers.timer import PreciseTimer

if TYPE_CHECKING:
    import asyncio

    from harness.plan.knobs import Setting
    from targets.batching.queue import BatchQueue
    from targets.servers.compute import Compute, PendingRequest, Result
    from targets.servers.http.exchange import HttpExchange
    from targets.servers.model_call import BatchResult
    from targets.servers.protocols.protocol import ProtocolLayer


def batching_of(setting: Setting) -> Batching:
    """The batching part of the model configuration for `setting`."""
    waits = setting["batch_policy"] == "fixed"
    return Batching(int(setting["batch_size"]), round(float(setting["batch_wait_ms"]) * 1000) if waits else 0)


class BatchedBackend(Backend):
    """The dynamic batcher of one model, on the event loop; `compute` runs the batches."""

    _loop: asyncio.AbstractEventLoop
    _timer: PreciseTimer

    def __init__(self, protocol: ProtocolLayer, compute: Compute, queue: BatchQueue[PendingRequest]) -> None:
        self._protocol = protocol
        self._telemetry = protocol.telemetry
        self._compute = compute
        self._queue = queue
        self._turn_is_due = False
        self._stopped = False
        self._free_since_ns = 0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start `compute`, which warms up the model, before the first request."""
        self._loop = loop
        self._timer = PreciseTimer(loop, self._turn)
        self._compute.start(loop, self._finish, self._on_free)

    def stop(self) -> None:
        """Stop `compute` and close the timer. Clients of the waiting requests have disconnected by then."""
        self._stopped = True
        self._compute.stop()
        self._timer.close()

    @property
    def max_rows(self) -> int:
        """The most rows of one request."""
        return self._queue.batch_size

    def able(self) -> bool:
        """Whether every stage of the model has a live process."""
        return self._compute.able()

    def has_room(self) -> bool:
        """Whether the queue can take one more row."""
        return self._queue.has_room() and self._compute.able()

    def rest(self) -> None:
        """Block briefly where the model computes on the core of the event loop."""
        self._compute.rest()

    def apply(self, setting: Setting) -> None:
        """Apply new values of the live knobs; they also apply to waiting requests."""
        self._queue.batch_size = int(setting["batch_size"])
        self._queue.queue_limit = int(setting["queue_limit"])
        self._queue.policy = make_policy(setting)
        self._protocol.batching = batching_of(setting)
        self._schedule_turn()

    def infer(self, exchange: HttpExchange, body: bytes) -> bool:
        """Decode the request and queue it; False where the queue is full. Raises ProtocolError."""
        if not self.has_room():  # also checked when the head arrived; other requests may have arrived since
            return False
        head = exchange.head
        request = self._protocol.decode(head.action, body, head.json_length, self._queue.batch_size)
        exchange.request = request
        exchange.rows = request.weight
        timeout_ns = request.timeout_ns
        if head.timeout_ns is not None:
            timeout_ns = min(head.timeout_ns, timeout_ns or head.timeout_ns)
        return self.offer(exchange, timeout_ns)

    def offer(self, item: PendingRequest, timeout_ns: int | None) -> bool:
        """Queue a decoded request; False where the queue is full."""
        if not self._queue.offer(item, monotonic_ns(), timeout_ns):
            return False
        if not self._turn_is_due:
            self._schedule_turn()
        return True

    def _schedule_turn(self) -> None:
        # Runs after all readable connections have been read: requests that arrive together share a batch.
        if self._compute.free():
            self._turn_is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_due = False
        if self._stopped or not self._compute.free():
            return
        now_ns = monotonic_ns()
        for late in self._queue.drop_expired(now_ns):
            late.refuse(expired())
        items = self._queue.take(now_ns)
        if items is None:
            due_ns = self._queue.deadline_ns()
            if due_ns is not None:
                self._timer.arm(due_ns)
            return
        rows = sum([item.rows for item in items])
        self._compute.run(Batch(items, rows, now_ns, self._free_since_ns))
        if self._queue.rows and not self._turn_is_due:
            self._schedule_turn()

    def _on_free(self) -> None:
        self._free_since_ns = monotonic_ns()
        if self._queue.rows and not self._turn_is_due:
            self._schedule_turn()

    def _finish(self, batch: Batch, result: Result) -> None:
        if isinstance(result, ProtocolError):
            for item in batch.items:
                item.refuse(result)
        else:
            self._queue.policy.observe(result.rows, monotonic_ns() - batch.taken_ns)
            self._respond(batch, result)

    def _respond(self, batch: Batch, done: BatchResult) -> None:
        taken_ns = batch.taken_ns
        self._telemetry.count_batch(done, [taken_ns - item.arrived_ns for item in batch.items])
        # A batch begins to form when the model is free and the first row has arrived.
        forming_ns = max(batch.free_since_ns, batch.items[0].arrived_ns)
        for item, (headers, body) in zip(batch.items, done.responses, strict=True):
            arrived_ns = item.arrived_ns
            began_ns = max(arrived_ns, forming_ns)
            timing = timing_queue(began_ns - arrived_ns, taken_ns - began_ns, done.rows, arrived_ns)
            item.deliver(headers, timing + done.timing_of(item.request), body)
