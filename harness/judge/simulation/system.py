"""The simulated system: processes that listen and processes that compute, each on a core of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.plan.process_layout import PORT, Layout

if TYPE_CHECKING:
    from harness.judge.simulation.service_time import ServiceTime


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedSystem:
    """A batched target.

    Behind one port each replica has its own queue, and every connection belongs to one of them; behind one queue a
    single process listens and the next batch goes to whichever replica is idle. A process that listens spends
    `request_ms` on each request; where it also computes, that is part of its batch.
    """

    stages: tuple[ServiceTime, ...]
    replicas: int = 1
    dispatch: str = PORT
    batch_size: int = 1
    batch_wait_ms: float = 0.0
    request_ms: float = 0.0
    travel_ms: float = 0.0  # from the client and back, and the client's own part
    connections: int = 64  # of an open loop, spread over the replicas at random

    @property
    def layout(self) -> Layout:
        """Its processes."""
        return Layout(self.replicas, len(self.stages), self.dispatch)

    @property
    def lanes(self) -> int:
        """Whole models behind each process that listens."""
        return self.replicas // self.layout.fronts
