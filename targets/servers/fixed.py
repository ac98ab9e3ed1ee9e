"""`fixed`: a server whose truth is known: exact delays, injected faults, and a log of every instant.

Requests leave by a schedule computed on arrival, so an answer that goes out late delays no other.
"""

from __future__ import annotations

import heapq
from itertools import count
from typing import TYPE_CHECKING

from harness.clock import NS_PER_US, monotonic_ns
from targets.servers.errors import ProtocolError
from targets.servers.null import CannedReplies
from targets.servers.responses import OK, timing_queue, timing_work
from targets.servers.schedule import Fate, FixedSchedule
from targets.servers.timer import PreciseTimer
from targets.servers.truth_log import TruthLog

if TYPE_CHECKING:
    import asyncio

    import numpy as np
    from numpy.typing import NDArray

    from harness.knobs import Setting
    from targets.servers.http_connection import Exchange
    from targets.servers.protocol import ProtocolLayer
    from targets.servers.schedule import Planned

SPIN_NS = 150 * NS_PER_US  # a timer wakes up about this late: the last part is waited for awake
MAX_WAITING = 100_000


class FixedBackend:
    """Holds each request until its planned instant."""

    _loop: asyncio.AbstractEventLoop
    _timer: PreciseTimer

    def __init__(self, protocol: ProtocolLayer, row: NDArray[np.float32], setting: Setting) -> None:
        self._telemetry = protocol.telemetry
        self._right = CannedReplies(protocol, row)
        self._wrong = CannedReplies(protocol, row[::-1] + 1)
        self._schedule = FixedSchedule(setting)
        self._log = TruthLog(str(setting["log_path"])) if setting["log_path"] else None
        self._waiting: list[tuple[int, int, Exchange, Planned]] = []  # a heap by instant, then order of arrival
        self._order = count()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make the timer."""
        self._timer = PreciseTimer(loop, self._on_due)

    def stop(self) -> None:
        """Write what is left of the log."""
        self._timer.close()
        if self._log is not None:
            for _, _, exchange, planned in sorted(self._waiting):
                self._log.write(exchange.arrived_ns, planned, None)
            self._log.close()

    def has_room(self) -> bool:
        """Bounded, far above what a calibration needs."""
        return len(self._waiting) < MAX_WAITING

    def infer(self, exchange: Exchange, body: bytes) -> bool:
        """Plan the answer; the body is not looked at."""
        del body
        arrived_ns = exchange.arrived_ns = monotonic_ns()
        planned = self._schedule.plan(arrived_ns)
        heapq.heappush(self._waiting, (planned.due_ns, next(self._order), exchange, planned))
        self._arm()
        return True

    def _arm(self) -> None:
        if self._waiting:
            self._timer.arm(self._waiting[0][0] - SPIN_NS)

    def _on_due(self) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0] - monotonic_ns() <= SPIN_NS:
            due_ns, _, exchange, planned = heapq.heappop(waiting)
            while monotonic_ns() < due_ns:
                pass
            self._let_go(exchange, planned)
        self._arm()

    def _let_go(self, exchange: Exchange, planned: Planned) -> None:
        answered_ns: int | None = monotonic_ns()
        match planned.fate:
            case Fate.OK | Fate.WRONG:
                self._answer(exchange, planned)
            case Fate.ERROR:
                exchange.refuse(ProtocolError(500, "an injected error"))
            case Fate.RESET:
                exchange.reset()
                answered_ns = None
            case Fate.HANG:
                answered_ns = None
        if self._log is not None:
            self._log.write(exchange.arrived_ns, planned, answered_ns)

    def _answer(self, exchange: Exchange, planned: Planned) -> None:
        self._telemetry.requests["ok"] += 1
        headers, body = (self._wrong if planned.fate is Fate.WRONG else self._right).reply(exchange)
        queue = timing_queue(planned.start_ns - exchange.arrived_ns, 0, 1)
        timing = queue + timing_work(0, planned.due_ns - planned.start_ns, 0)
        exchange.answer(b"%s%s%s" % (OK, headers, timing), body)
