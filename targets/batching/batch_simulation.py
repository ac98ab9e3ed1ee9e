"""Simulates the batch queue and a policy for given arrivals and a model that takes s(b) for b rows.

The simulation drives the same queue and policy objects as the server; only the model is a function and the clock a
number. So policies can be compared on hours of traffic within seconds and without noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from targets.batching.queue import BatchQueue

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from targets.batching.policy import BatchPolicy


@dataclass(eq=False, slots=True)
class Arrival:
    """One row in the simulated queue."""

    arrived_ns: int
    rows: int = 1
    expires_ns: int = 0
    taken_ns: int = 0
    done_ns: int = 0


@dataclass(frozen=True, slots=True)
class Served:
    """The simulated times (n,) of the arrivals in their order, in nanoseconds; `batch_rows` has shape (batches,)."""

    arrived_ns: NDArray[np.int64]
    taken_ns: NDArray[np.int64]
    done_ns: NDArray[np.int64]
    batch_rows: NDArray[np.int64]
    busy_ns: int  # of the model

    @property
    def response_ns(self) -> NDArray[np.int64]:
        """The times from arrival to the end of the batch, in nanoseconds."""
        return self.done_ns - self.arrived_ns

    @property
    def busy_share(self) -> float:
        """The share of the time from the first arrival to the last batch end in which the model was busy."""
        return self.busy_ns / int(self.done_ns.max() - self.arrived_ns.min())


def serve(
    arrivals_ns: NDArray[np.int64], policy: BatchPolicy, batch_size: int, service_ns: Callable[[int], float]
) -> Served:
    """Simulate ascending `arrivals_ns` (n,) with one model, one batch at a time, and an unbounded queue."""
    items = [Arrival(int(arrived_ns)) for arrived_ns in arrivals_ns]
    queue: BatchQueue[Arrival] = BatchQueue(policy, batch_size, queue_limit=len(items))
    batches: list[int] = []
    free_ns = busy_ns = came = 0
    while came < len(items) or queue.rows:
        deadline_ns = queue.deadline_ns()
        turn_ns = None if deadline_ns is None else max(deadline_ns, free_ns)
        if came < len(items) and (turn_ns is None or items[came].arrived_ns <= turn_ns):
            queue.offer(items[came], items[came].arrived_ns)
            came += 1
            continue
        batch = queue.take(turn_ns or 0) or []
        spent_ns = round(service_ns(len(batch)))
        free_ns = (turn_ns or 0) + spent_ns
        busy_ns += spent_ns
        batches.append(len(batch))
        policy.observe(len(batch), spent_ns)
        for item in batch:
            item.taken_ns, item.done_ns = turn_ns or 0, free_ns
    return Served(
        arrived_ns=np.array([item.arrived_ns for item in items]),
        taken_ns=np.array([item.taken_ns for item in items]),
        done_ns=np.array([item.done_ns for item in items]),
        batch_rows=np.array(batches),
        busy_ns=busy_ns,
    )
