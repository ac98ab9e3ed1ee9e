"""One process that listens, with its queue and the processes that compute for it, in simulated time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    import simpy

    from harness.judge.simulation.system import SimulatedSystem

DRAWN = 4096


class SimulatedRequest:
    """One request's instants, in ms."""

    __slots__ = ("admitted_ms", "due_ms", "taken_ms", "user")

    def __init__(self, user: int, due_ms: float) -> None:
        self.user = user
        self.due_ms = due_ms
        self.admitted_ms = self.taken_ms = 0.0


class SimulatedFront:
    """Forms batches and sends them from stage to stage, as the batched target does.

    With one stage a process takes one batch at a time; in a pipeline another waits before it, also before the first.
    """

    def __init__(
        self,
        env: simpy.Environment,
        system: SimulatedSystem,
        rng: np.random.Generator,
        finish: Callable[[list[SimulatedRequest]], None],
    ) -> None:
        self._env = env
        self._system = system
        self._finish = finish
        self._queue: deque[SimulatedRequest] = deque()
        self._idle = [system.lanes for _ in system.stages]
        self._waiting: list[deque[list[SimulatedRequest]]] = [deque() for _ in system.stages]
        self._room = system.lanes * (1 if len(system.stages) == 1 else 2)  # for batches, before and in the first stage
        self._slots = self._room * len(system.stages)
        self._factors = [_draws(rng, stage.factors) for stage in system.stages]
        self._own_ms = 0.0 if system.layout.computes_apart else system.request_ms  # within a batch's time
        self._listens_ms = system.request_ms if system.layout.computes_apart else 0.0
        self._listening_until_ms = 0.0
        self._look_is_due = False
        self._wake_ms = -1.0
        self.busy_ms = 0.0  # of all that compute, together

    def arrive(self, request: SimulatedRequest) -> None:
        """A request has come; it is read when those before it are."""
        if self._listens_ms:
            now_ms = self._env.now
            self._listening_until_ms = max(now_ms, self._listening_until_ms) + self._listens_ms
            after(self._env, self._listening_until_ms - now_ms, lambda: self._admit(request))
        else:
            self._admit(request)

    def _admit(self, request: SimulatedRequest) -> None:
        request.admitted_ms = self._env.now
        self._queue.append(request)
        self._look_soon()

    def _look_soon(self) -> None:
        # After all that happens at this instant: what came together leaves together.
        if not self._look_is_due and self._room and self._slots:
            self._look_is_due = True
            after(self._env, 0.0, self._look)

    def _look(self) -> None:
        self._look_is_due = False
        queue, system = self._queue, self._system
        while queue and self._room and self._slots:
            now_ms = self._env.now
            due_ms = queue[0].admitted_ms + system.batch_wait_ms
            if len(queue) < system.batch_size and now_ms < due_ms:
                if self._wake_ms != due_ms:
                    self._wake_ms = due_ms
                    after(self._env, due_ms - now_ms, self._look)
                return
            batch = [queue.popleft() for _ in range(min(len(queue), system.batch_size))]
            for request in batch:
                request.taken_ms = now_ms
            self._slots -= 1
            self._room -= 1
            self._waiting[0].append(batch)
            self._dispatch(0)

    def _begin(self, stage: int, batch: list[SimulatedRequest]) -> None:
        self._idle[stage] -= 1
        rows = len(batch)
        took_ms = self._system.stages[stage].mean_ms(rows) * next(self._factors[stage]) + self._own_ms * rows
        self.busy_ms += took_ms
        after(self._env, took_ms, lambda: self._end(stage, batch))

    def _end(self, stage: int, batch: list[SimulatedRequest]) -> None:
        self._idle[stage] += 1
        self._room += stage == 0
        if stage + 1 == len(self._idle):
            self._slots += 1
            self._finish(batch)
        else:
            self._waiting[stage + 1].append(batch)
            self._dispatch(stage + 1)
        self._dispatch(stage)
        self._look_soon()

    def _dispatch(self, stage: int) -> None:
        while self._idle[stage] and self._waiting[stage]:
            self._begin(stage, self._waiting[stage].popleft())


def after(env: simpy.Environment, delay_ms: float, call: Callable[[], None]) -> None:
    """Call `call` in `delay_ms`: an event with a callback costs a fraction of a process."""
    event: Any = env.timeout(max(0.0, delay_ms))
    event.callbacks.append(lambda _: call())


def _draws(rng: np.random.Generator, factors: np.ndarray[Any, Any]) -> Iterator[float]:
    while True:
        yield from rng.choice(factors, DRAWN).tolist() if factors.size > 1 else factors.tolist()
