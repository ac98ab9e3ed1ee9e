"""Simulates a run: a number of requests through a system, and their response times."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from harness.clock import NS_PER_MS
from harness.judge.simulation.server_model import SimulatedFront, SimulatedRequest, after
from harness.plan.arrivals import Closed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import simpy
    from numpy.typing import NDArray

    from harness.judge.simulation.system import SimulatedSystem
    from harness.plan.arrivals import OpenProcess

MS_PER_S = 1e3
WARMUP_SHARE = 0.1
MOST_SENT = 10  # for each request that is to be answered


@dataclass(frozen=True, slots=True)
class SimulatedTimes:
    """Requests that were answered after the warm-up, in the order of their answers; times (n,) in ms."""

    responses_ms: NDArray[np.float64]  # due to answered
    waits_ms: NDArray[np.float64]  # admitted to taken into a batch
    batch_sizes: NDArray[np.int64]  # (batches,)
    throughput_rps: float
    busy_share: float  # of the processes that compute


def simulate(system: SimulatedSystem, arrivals: Closed | OpenProcess, requests: int, seed: int) -> SimulatedTimes:
    """Run until `requests` are answered, or ten times as many are sent: then the system is hopelessly behind.

    The first tenth is left out. Repeatable by `seed`.
    """
    import simpy

    env = simpy.Environment()
    run = _Run(env, system, requests, np.random.default_rng(seed))
    if isinstance(arrivals, Closed):
        run.start_users(arrivals)
    else:
        run.start_schedule(arrivals, seed)
    env.run(until=run.ended)
    return run.outcome()


class _Run:
    def __init__(
        self, env: simpy.Environment, system: SimulatedSystem, requests: int, rng: np.random.Generator
    ) -> None:
        self.ended = env.event()
        self._env = env
        self._system = system
        self._requests = requests
        self._rng = rng
        self._fronts = [SimulatedFront(env, system, rng, self._finish) for _ in range(system.layout.fronts)]
        self._route: list[SimulatedFront] = []  # of each connection
        self._think_ms: float | None = None
        self._sent = 0  # of an open loop
        self._done: list[tuple[float, float, float]] = []  # answered, response, wait
        self._batches: list[tuple[int, int]] = []  # requests answered before, rows

    def start_users(self, arrivals: Closed) -> None:
        self._connect(arrivals.users)
        self._think_ms = arrivals.think_time_s * MS_PER_S
        for user in range(arrivals.users):
            self._send(SimulatedRequest(user, 0.0))

    def start_schedule(self, arrivals: OpenProcess, seed: int) -> None:
        self._connect(self._system.connections)
        offsets_ms = (offset / NS_PER_MS for offset in chain.from_iterable(arrivals.schedule(seed)))
        self._send_next(offsets_ms, iter(self._users()))

    def _connect(self, connections: int) -> None:
        # The kernel spreads connections over the sockets of a port by a hash of their addresses.
        self._route = [self._fronts[front] for front in self._rng.integers(len(self._fronts), size=connections)]

    def _users(self) -> Iterator[int]:
        while True:
            yield from self._rng.integers(len(self._route), size=4096).tolist()

    def _send_next(self, offsets_ms: Iterator[float], users: Iterator[int]) -> None:
        due_ms = next(offsets_ms, None)
        if due_ms is None:
            return

        def send() -> None:
            self._sent += 1
            if self._sent >= MOST_SENT * self._requests and self._done:
                self._end()
                return
            self._send(SimulatedRequest(next(users), due_ms))
            self._send_next(offsets_ms, users)

        after(self._env, due_ms - self._env.now, send)

    def _send(self, request: SimulatedRequest) -> None:
        front = self._route[request.user]
        if self._system.travel_ms:
            after(self._env, self._system.travel_ms, lambda: front.arrive(request))
        else:
            front.arrive(request)

    def _finish(self, batch: list[SimulatedRequest]) -> None:
        now_ms = self._env.now
        self._batches.append((len(self._done), len(batch)))
        for request in batch:
            self._done.append((now_ms, now_ms - request.due_ms, request.taken_ms - request.admitted_ms))
            if self._think_ms is not None:
                self._next_of(SimulatedRequest(request.user, now_ms + self._think_ms))
        if len(self._done) >= self._requests:
            self._end()

    def _end(self) -> None:
        if not self.ended.triggered:
            self.ended.succeed()

    def _next_of(self, request: SimulatedRequest) -> None:
        if self._think_ms:
            after(self._env, self._think_ms, lambda: self._send(request))
        else:
            self._send(request)

    def outcome(self) -> SimulatedTimes:
        first = int(len(self._done) * WARMUP_SHARE)
        done = np.array(self._done)
        answered_ms = done[first:, 0]
        # From the last answer before the first that counts, so that as many gaps as answers are counted.
        since_ms = done[first - 1, 0] if first else 0.0
        spent_ms = float(answered_ms[-1] - since_ms)
        computing = self._system.replicas * len(self._system.stages)
        return SimulatedTimes(
            responses_ms=done[first:, 1],
            waits_ms=done[first:, 2],
            batch_sizes=np.array([rows for before, rows in self._batches if before >= first], dtype=np.int64),
            throughput_rps=answered_ms.size / spent_ms * MS_PER_S,
            busy_share=sum(front.busy_ms for front in self._fronts) / (computing * float(answered_ms[-1])),
        )
