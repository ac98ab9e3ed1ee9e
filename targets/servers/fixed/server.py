"""`fixed`: a server whose truth is known: exact delays, injected faults, and a log of every instant.

Requests leave by a schedule computed on arrival, so an answer that goes out late delays no other. With `drip_ms` an
answer leaves in pieces, the first when its service ends, the last so much later; only then is it answered.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from harness.clock import NS_PER_MS, NS_PER_US, monotonic_ns
from targets.servers.backend import Backend
from targets.servers.fixed.schedule import Fate, FixedSchedule
from targets.servers.fixed.truth_log import TruthLog
from targets.servers.http.responses import OK, response, timing_queue, timing_work
from targets.servers.null import CannedReplies
from targets.servers.protocols.errors import ProtocolError
from targets.servers.timer import PreciseTimer

if TYPE_CHECKING:
    import asyncio

    import numpy as np
    from numpy.typing import NDArray

    from harness.plan.knobs import Setting
    from targets.servers.fixed.schedule import Planned
    from targets.servers.http.exchange import Exchange
    from targets.servers.protocols.protocol import ProtocolLayer

SPIN_NS = 150 * NS_PER_US  # a timer wakes up about this late: the last part is waited for awake
MAX_WAITING = 100_000
PIECES = 8


@dataclass(slots=True)
class Leaving:
    """A request on its way out. `pieces`: what is left to send of an answer that drips; None: nothing has left yet."""

    exchange: Exchange
    planned: Planned
    pieces: list[bytes] | None = None


class FixedBackend(Backend):
    """Holds each request until its planned instant."""

    _loop: asyncio.AbstractEventLoop
    _timer: PreciseTimer

    def __init__(self, protocol: ProtocolLayer, row: NDArray[np.float32], setting: Setting) -> None:
        self._telemetry = protocol.telemetry
        self._right = CannedReplies(protocol, row)
        self._wrong = CannedReplies(protocol, row[::-1] + 1)
        self._schedule = FixedSchedule(setting)
        self._log = TruthLog(str(setting["log_path"])) if setting["log_path"] else None
        self._drip_ns = round(float(setting["drip_ms"]) * NS_PER_MS)
        self._waiting: list[tuple[int, int, Leaving]] = []  # a heap by instant, then order of entry
        self._order = count()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make the timer."""
        self._timer = PreciseTimer(loop, self._on_due)

    def stop(self) -> None:
        """Write what is left of the log."""
        self._timer.close()
        if self._log is not None:
            for _, _, leaving in sorted(self._waiting, key=lambda entry: entry[:2]):
                self._log.write(leaving.exchange.arrived_ns, leaving.planned, None)
            self._log.close()

    def has_room(self) -> bool:
        """Bounded, far above what a calibration needs."""
        return len(self._waiting) < MAX_WAITING

    def infer(self, exchange: Exchange, body: bytes) -> bool:
        """Plan the answer; the body is not looked at."""
        del body
        arrived_ns = exchange.arrived_ns = monotonic_ns()
        planned = self._schedule.plan(arrived_ns)
        self._hold(planned.due_ns, Leaving(exchange, planned))
        return True

    def _hold(self, until_ns: int, leaving: Leaving) -> None:
        heapq.heappush(self._waiting, (until_ns, next(self._order), leaving))
        self._arm()

    def _arm(self) -> None:
        if self._waiting:
            self._timer.arm(self._waiting[0][0] - SPIN_NS)

    def _on_due(self) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0] - monotonic_ns() <= SPIN_NS:
            due_ns, _, leaving = heapq.heappop(waiting)
            while monotonic_ns() < due_ns:
                pass
            if leaving.pieces is None:
                self._let_go(leaving)
            else:
                self._drip(due_ns, leaving)
        self._arm()

    def _let_go(self, leaving: Leaving) -> None:
        exchange, planned = leaving.exchange, leaving.planned
        answered_ns: int | None = monotonic_ns()
        match planned.fate:
            case Fate.OK | Fate.WRONG if self._drip_ns:
                leaving.pieces = _cut(response(*self._answer(exchange, planned), exchange.head.connection))
                self._drip(planned.due_ns, leaving)
                return
            case Fate.OK | Fate.WRONG:
                exchange.respond(*self._answer(exchange, planned))
            case Fate.ERROR:
                exchange.refuse(ProtocolError(500, "an injected error"))
            case Fate.RESET:
                exchange.reset()
                answered_ns = None
            case Fate.HANG:
                exchange.forget()
                answered_ns = None
        self._write(leaving, answered_ns)

    def _drip(self, due_ns: int, leaving: Leaving) -> None:
        """Send the next piece; the last one ends the answer."""
        pieces = leaving.pieces or []
        if len(pieces) > 1:
            if leaving.exchange.send_part(pieces[0]):
                del pieces[0]
            self._hold(due_ns + self._drip_ns // (PIECES - 1), leaving)
            return
        answered_ns = monotonic_ns()
        leaving.exchange.finish(pieces[0])
        self._write(leaving, answered_ns)

    def _write(self, leaving: Leaving, answered_ns: int | None) -> None:
        if self._log is not None:
            self._log.write(leaving.exchange.arrived_ns, leaving.planned, answered_ns)

    def _answer(self, exchange: Exchange, planned: Planned) -> tuple[bytes, bytes]:
        """Status and headers, and the body."""
        self._telemetry.requests["ok"] += 1
        headers, body = (self._wrong if planned.fate is Fate.WRONG else self._right).reply(exchange)
        queue = timing_queue(planned.start_ns - exchange.arrived_ns, 0, 1)
        timing = queue + timing_work(0, (planned.due_ns - planned.start_ns,), 0)
        return b"%s%s%s" % (OK, headers, timing), body


def _cut(answer: bytes) -> list[bytes]:
    """`PIECES` pieces, the first the longest by what does not divide."""
    step = len(answer) // PIECES
    first = len(answer) - step * (PIECES - 1)
    return [answer[:first], *(answer[at : at + step] for at in range(first, len(answer), step))]
