"""`fixed`: a server with exact delays, injected faults, and a log of the true instants.

Responses leave by a schedule computed on arrival, so that a late response delays no other. With `drip_ms` a response
leaves in pieces: the first when its service ends, the last `drip_ms` later; the log has the time of the last.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from harness.clock import NS_PER_MS, NS_PER_US, monotonic_ns
from targets.servers.backend import Backend
from targets.servers.fixed.schedule import FaultOutcome, FixedSchedule
from targets.servers.fixed.truth_log import TruthLog
from targets.servers.http.responses import OK, response, timing_queue, timing_work
from targets.servers.null import CannedResponses
from targets.servers.protocols.errors import ProtocolError
from targets.servers.timer import PreciseTimer

if TYPE_CHECKING:
    import asyncio

    import numpy as np
    from numpy.typing import NDArray

    from harness.plan.knobs import Setting
    from targets.servers.fixed.schedule import PlannedResponse
    from targets.servers.http.exchange import HttpExchange
    from targets.servers.protocols.protocol import ProtocolLayer

SPIN_NS = 150 * NS_PER_US  # the timer wakes up about this late, so the last part is a busy wait
MAX_WAITING = 100_000
PIECES = 8


@dataclass(slots=True)
class HeldRequest:
    """A request that waits for its planned response. `pieces`: the unsent parts of a dripping response."""

    exchange: HttpExchange
    planned: PlannedResponse
    pieces: list[bytes] | None = None


class FixedBackend(Backend):
    """Responds to each request at its planned instant."""

    _loop: asyncio.AbstractEventLoop
    _timer: PreciseTimer

    def __init__(self, protocol: ProtocolLayer, row: NDArray[np.float32], setting: Setting) -> None:
        self._telemetry = protocol.telemetry
        self._right = CannedResponses(protocol, row)
        self._wrong = CannedResponses(protocol, row[::-1] + 1)
        self._schedule = FixedSchedule(setting)
        self._log = TruthLog(str(setting["log_path"])) if setting["log_path"] else None
        self._drip_ns = round(float(setting["drip_ms"]) * NS_PER_MS)
        self._waiting: list[tuple[int, int, HeldRequest]] = []  # a heap by instant, then by order of entry
        self._order = count()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Create the timer."""
        self._timer = PreciseTimer(loop, self._on_due)

    def stop(self) -> None:
        """Log the unanswered requests and close the log."""
        self._timer.close()
        if self._log is not None:
            for _, _, held in sorted(self._waiting, key=lambda entry: entry[:2]):
                self._log.write(held.exchange.arrived_ns, held.planned, None)
            self._log.close()

    def has_room(self) -> bool:
        """Whether fewer than `MAX_WAITING` requests wait, far more than a calibration needs."""
        return len(self._waiting) < MAX_WAITING

    def infer(self, exchange: HttpExchange, body: bytes) -> bool:
        """Plan the response; the body is ignored."""
        del body
        arrived_ns = exchange.arrived_ns = monotonic_ns()
        planned = self._schedule.plan(arrived_ns)
        self._hold(planned.due_ns, HeldRequest(exchange, planned))
        return True

    def _hold(self, until_ns: int, held: HeldRequest) -> None:
        heapq.heappush(self._waiting, (until_ns, next(self._order), held))
        self._arm()

    def _arm(self) -> None:
        if self._waiting:
            self._timer.arm(self._waiting[0][0] - SPIN_NS)

    def _on_due(self) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0] - monotonic_ns() <= SPIN_NS:
            due_ns, _, held = heapq.heappop(waiting)
            while monotonic_ns() < due_ns:
                pass
            if held.pieces is None:
                self._leave(held)
            else:
                self._drip(due_ns, held)
        self._arm()

    def _leave(self, held: HeldRequest) -> None:
        exchange, planned = held.exchange, held.planned
        answered_ns: int | None = monotonic_ns()
        match planned.outcome:
            case FaultOutcome.OK | FaultOutcome.WRONG if self._drip_ns:
                held.pieces = _cut(response(*self._response(exchange, planned), exchange.head.connection))
                self._drip(planned.due_ns, held)
                return
            case FaultOutcome.OK | FaultOutcome.WRONG:
                exchange.respond(*self._response(exchange, planned))
            case FaultOutcome.ERROR:
                exchange.refuse(ProtocolError(500, "an injected error"))
            case FaultOutcome.RESET:
                exchange.reset()
                answered_ns = None
            case FaultOutcome.HANG:
                exchange.forget()
                answered_ns = None
        self._write(held, answered_ns)

    def _drip(self, due_ns: int, held: HeldRequest) -> None:
        """Send the next piece; the last one ends the response."""
        pieces = held.pieces or []
        if len(pieces) > 1:
            if held.exchange.send_part(pieces[0]):
                del pieces[0]
            self._hold(due_ns + self._drip_ns // (PIECES - 1), held)
            return
        answered_ns = monotonic_ns()
        held.exchange.finish(pieces[0])
        self._write(held, answered_ns)

    def _write(self, held: HeldRequest, answered_ns: int | None) -> None:
        if self._log is not None:
            self._log.write(held.exchange.arrived_ns, held.planned, answered_ns)

    def _response(self, exchange: HttpExchange, planned: PlannedResponse) -> tuple[bytes, bytes]:
        """(status line and headers, body) of a right or wrong response."""
        self._telemetry.requests["ok"] += 1
        headers, body = (self._wrong if planned.outcome is FaultOutcome.WRONG else self._right).response_to(exchange)
        queue = timing_queue(planned.start_ns - exchange.arrived_ns, 0, 1, exchange.arrived_ns)
        timing = queue + timing_work(0, (planned.due_ns - planned.start_ns,), 0)
        return b"%s%s%s" % (OK, headers, timing), body


def _cut(response_bytes: bytes) -> list[bytes]:
    """Cut a response into `PIECES` pieces; the first one is longer by the remainder."""
    step = len(response_bytes) // PIECES
    first = len(response_bytes) - step * (PIECES - 1)
    return [response_bytes[:first], *(response_bytes[at : at + step] for at in range(first, len(response_bytes), step))]
