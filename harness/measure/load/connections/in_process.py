"""Connections to a model inside the load process: each has a native thread that calls the model.

To the engine such a connection is like any other: its descriptor is an eventfd to which the thread writes when the
output is there, so due times, time-outs, checks and rows are the same. Waiting for the thread, for the interpreter and
for a core is part of the latency, as it is for an application that embeds its model.
"""

from __future__ import annotations

import os
import select
from _queue import SimpleQueue  # the C class: gevent replaces `queue.SimpleQueue` by one for greenlets
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.clock import NS_PER_MS, monotonic_ns
from harness.measure.load.connections.connection import AWAITING, CLOSED, IDLE, Connection
from harness.record.rows import ABSENT, Outcome
from harness.wire.codec import HttpCodec, WireError
from harness.wire.datatypes import DTYPES
from harness.wire.http.llhttp_parser import HttpResponse
from harness.wire.http.open_inference import as_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from harness.measure.load.connections.connection import ConnectionListener
    from harness.plan.target_spec import InProcessModel
    from harness.wire.payload_bank import BankMeta

    ThreadStarter = Callable[[Callable[[], None], tuple[()]], object]

OK = 200


class RawCodec(HttpCodec):
    """The codec of a call that is not sent: the payload's bytes in, as its `datatype`, and float32 bytes out."""

    name = "inprocess"

    def __init__(self, meta: BankMeta) -> None:
        self._meta = meta
        self._count = int(np.prod(meta.output_shape))

    def encode(self, item: NDArray[Any]) -> bytes:
        """The item's bytes."""
        return as_rows(item, self._meta).tobytes()

    def decode(self, body: bytes) -> NDArray[np.float64]:
        """The output's numbers, flat. Raises WireError."""
        if len(body) != self._count * 4:
            raise WireError(f"the model gave {len(body) // 4} numbers instead of {self._count}")
        return np.frombuffer(body, dtype=np.float32).astype(np.float64)

    def require_answer(self, body: bytes) -> None:
        """Raises WireError where the model gave too few or too many numbers."""
        self.decode(body)


class InProcessConnection(Connection):
    """Calls the model for one user, one call at a time, in a thread of its own."""

    __slots__ = ("_calls", "_dtype", "_ended", "_generation", "_model", "_shape", "_start_thread")

    def __init__(
        self, model: InProcessModel, start_thread: ThreadStarter, listener: ConnectionListener, user: int
    ) -> None:
        super().__init__(None, listener, {}, user)
        self._model = model
        meta = model.bank.meta
        self._dtype = DTYPES[meta.datatype]
        self._shape = (1, *meta.input_shape)  # a free axis is -1, which `reshape` works out
        self._start_thread = start_thread
        self._calls: SimpleQueue[tuple[int, bytes, int] | None] | None = None
        self._ended: tuple[int, HttpResponse | str] | None = None
        self._generation = 0  # a call that was aborted still ends, in an older generation, and is ignored

    def begin(self, request: bytes, due_ns: int) -> None:
        """Give the call to the thread."""
        self.request = request
        self.due_ns = due_ns
        self.first_byte_ns = ABSENT
        if self._calls is None:
            self._open_thread()
        self.started_ns = self.sent_ns = monotonic_ns()
        self.state = AWAITING
        self._generation += 1
        if self._calls is not None:
            self._calls.put((self._generation, request, self.sent_ns))

    def receive(self) -> bool:
        """The thread has written to the eventfd."""
        os.eventfd_read(self.fd)
        if self._ended is None or self._ended[0] != self._generation or self.state != AWAITING:
            return False
        now_ns = monotonic_ns()
        response = self._ended[1]
        self.first_byte_ns = now_ns
        self.state = IDLE
        if isinstance(response, str):
            self.fail(Outcome.ERROR, response)
        else:
            self._listener.on_response(self, response, now_ns)
        return False

    def on_event(self, events: int) -> None:
        """An aborted call has ended."""
        del events
        self.receive()

    def close(self) -> None:
        """End the thread after its present call."""
        self.state = CLOSED
        self._generation += 1
        if self._calls is not None:
            self._listener.unwatch(self)
            self._calls.put(None)  # the thread closes the descriptor, to which it may still have to write
            self._calls = None

    def _open_thread(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._calls = SimpleQueue()
        calls, fd = self._calls, self.fd
        self._listener.watch(self, select.EPOLLIN)
        self._start_thread(lambda: self._serve(calls, fd), ())

    def _serve(self, calls: SimpleQueue[tuple[int, bytes, int] | None], fd: int) -> None:
        """The main loop of the thread."""
        while (call := calls.get()) is not None:
            generation, request, handed_ns = call
            self._ended = (generation, self._call(request, handed_ns))
            os.eventfd_write(fd, 1)
        os.close(fd)

    def _call(self, request: bytes, handed_ns: int) -> HttpResponse | str:
        start_ns = monotonic_ns()
        inputs = np.frombuffer(request, dtype=self._dtype).reshape(self._shape)
        try:
            prepared, steps_ns = self._model.prepare(inputs)
            prepared_ns = monotonic_ns()
            body = np.ascontiguousarray(self._model.predict(prepared), dtype=np.float32).tobytes()
        except Exception as error:  # noqa: BLE001  (whatever the model raises is this request's failure)
            return f"the model raised {type(error).__name__}"
        spent_ns = {"queue": start_ns - handed_ns, "compute": monotonic_ns() - prepared_ns, **steps_ns}
        if steps_ns:
            spent_ns["preprocess"] = prepared_ns - start_ns
        timing = ", ".join(f"{name};dur={ns / NS_PER_MS:.6f}" for name, ns in spent_ns.items())
        return HttpResponse(OK, body, b'batch;dur=0;desc="n=1", ' + timing.encode(), True, len(body))
