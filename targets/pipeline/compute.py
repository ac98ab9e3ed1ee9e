"""`Compute` by a pool: batches go from stage to stage, each to the process of its next stage that has the least.

With one stage a process has at most one batch, so that a batch is formed as late as possible and never waits behind
another while a process is idle: a queue with many servers. In a pipeline each process has one more before it, so that
no stage idles until the process that listens has its turn. Slots are few: when they are used up, requests wait in the
queue and batches grow. A process that hangs is killed: its batches fail, and the pool starts it again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S, monotonic_ns
from targets.pipeline.job import FAILED_NS, SIZE, Job, parse
from targets.pipeline.worker_pool import jobs_per_process
from targets.servers.compute import MODEL_FAILED, Compute
from targets.servers.model_call import JoinTimes, reply
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from targets.pipeline.worker_pool import PipelineWorker, WorkerPool
    from targets.preprocessing.input_assembler import InputAssembler
    from targets.servers.compute import Batch, Result

HUNG_AFTER_NS = 300 * NS_PER_S  # a model call that takes longer is taken for one that never ends
LOOK_S = 1.0
LATE_LOOK_NS = 5 * NS_PER_S  # a look that comes so much later: this very process stood still, and so may have all
PROCESS_DIED = ProtocolError(500, "the process that had this request died; it is being started again")


@dataclass(slots=True)
class BatchInFlight:
    """A batch under way: its slot, the tensor there, what join_times its rows took, and each stage until now."""

    batch: Batch
    slot: int
    shape: tuple[int, ...]
    join_times: JoinTimes
    stage_ns: list[int] = field(default_factory=list)


class PipelineCompute(Compute):
    """Routes jobs over the workers of a pool that has been launched."""

    _loop: asyncio.AbstractEventLoop
    _finish: Callable[[Batch, Result], None]
    _on_free: Callable[[], None]

    def __init__(self, pool: WorkerPool, assembler: InputAssembler) -> None:
        self._pool = pool
        self._assembler = assembler
        self._slots = pool.slots
        self._free_slots = list(range(pool.slots.geometry.slots))
        stages = range(len(pool.stages))
        self._workers: list[set[PipelineWorker]] = [set() for _ in stages]
        self._places: list[list[PipelineWorker]] = [
            [] for _ in stages
        ]  # a worker once for each further job that it takes
        self._waiting: list[deque[BatchInFlight]] = [deque() for _ in stages]
        self._jobs: dict[PipelineWorker, deque[BatchInFlight]] = {}  # in the order in which it does them
        self._heard_ns: dict[PipelineWorker, int] = {}  # when each last gave something back, or was given its only job
        self._looked_ns = 0
        self._depth = jobs_per_process(len(pool.stages))

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        finish: Callable[[Batch, Result], None],
        on_free: Callable[[], None],
    ) -> None:
        """Take over the workers that are ready, and those that come later."""
        self._loop, self._finish, self._on_free = loop, finish, on_free
        self._pool.watch(loop, self._welcome)
        self._looked_ns = monotonic_ns()
        self._loop.call_later(LOOK_S, self._look_for_hung)

    def stop(self) -> None:
        """Let the processes go."""
        for worker in [worker for workers in self._workers for worker in workers]:
            self._let_go(worker)
        self._pool.stop()

    def able(self) -> bool:
        """Whether every stage has a process that lives."""
        return all(self._workers)

    def free(self) -> bool:
        """Whether a process of the first stage would take a batch, and there is a slot."""
        return bool(self._places[0] and self._free_slots)

    def run(self, batch: Batch) -> None:
        """Write the rows into a slot and send it on its way."""
        start_ns = monotonic_ns()
        inputs, steps_ns = self._assembler.batch(batch.requests())
        slot = self._free_slots.pop()
        try:
            self._slots.tensor(slot, 0, inputs.shape, self._pool.stages[0].input_dtype)[:] = inputs
        except ValueError as error:
            self._free_slots.append(slot)
            self._finish(batch, ProtocolError(413, str(error)))
            return
        self._waiting[0].append(
            BatchInFlight(batch, slot, inputs.shape, JoinTimes(monotonic_ns() - start_ns, steps_ns))
        )
        self._dispatch(0)

    def _welcome(self, worker: PipelineWorker) -> None:
        self._workers[worker.stage].add(worker)
        self._jobs[worker] = deque()
        self._heard_ns[worker] = monotonic_ns()
        self._places[worker.stage] += [worker] * self._depth
        worker.link.setblocking(False)
        self._loop.add_reader(worker.link.fileno(), self._read, worker)
        self._dispatch(worker.stage)
        self._on_free()

    def _dispatch(self, stage: int) -> None:
        places, waiting = self._places[stage], self._waiting[stage]
        while places and waiting:
            worker = min(places, key=lambda worker: len(self._jobs[worker]))
            places.remove(worker)
            job = waiting.popleft()
            if not self._jobs[worker]:
                self._heard_ns[worker] = monotonic_ns()
            self._jobs[worker].append(job)
            with contextlib.suppress(OSError):  # it has just died: reading will tell
                Job(job.slot, job.shape).send(worker.link)

    def _read(self, worker: PipelineWorker) -> None:
        try:
            message = worker.link.recv(SIZE)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if len(message) != SIZE:  # what is sent in one piece over such a socket comes in one piece
            self._lost(worker)
            return
        job = self._jobs[worker].popleft()
        self._heard_ns[worker] = monotonic_ns()
        self._places[worker.stage].append(worker)
        self._advance(job, worker.stage, parse(message))
        self._dispatch(worker.stage)
        self._on_free()

    def _advance(self, job: BatchInFlight, stage: int, answered: Job) -> None:
        if answered.ended_ns == FAILED_NS:
            self._end(job, MODEL_FAILED)
            return
        job.stage_ns.append(answered.ended_ns - answered.began_ns)
        job.shape = answered.shape
        if stage + 1 == len(self._workers):
            outputs = self._assembler.average_views(self._slots.tensor(job.slot, stage + 1, job.shape))
            self._end(job, reply(outputs, job.batch.requests(), job.join_times, tuple(job.stage_ns)))
        elif self._workers[stage + 1]:
            self._waiting[stage + 1].append(job)
            self._dispatch(stage + 1)
        else:
            self._end(job, PROCESS_DIED)

    def _end(self, job: BatchInFlight, result: Result) -> None:
        self._free_slots.append(job.slot)
        self._finish(job.batch, result)

    def _lost(self, worker: PipelineWorker) -> None:
        """Its batches fail; so do those that wait for its stage where it was the last one."""
        stage = worker.stage
        self._let_go(worker)
        self._heard_ns.pop(worker)
        for job in self._jobs.pop(worker):
            self._end(job, PROCESS_DIED)
        while self._waiting[stage] and not self._workers[stage]:
            self._end(self._waiting[stage].popleft(), PROCESS_DIED)
        self._on_free()

    def _look_for_hung(self) -> None:
        now_ns = monotonic_ns()
        if now_ns - self._looked_ns > LATE_LOOK_NS:
            self._heard_ns = dict.fromkeys(self._heard_ns, now_ns)
        self._looked_ns = now_ns
        for worker, jobs in self._jobs.items():
            if jobs and now_ns - self._heard_ns[worker] > HUNG_AFTER_NS:
                said = f"stage {worker.stage + 1}: process {worker.pid} has given nothing back"
                print(f"{said} for {HUNG_AFTER_NS // NS_PER_S} s and is killed", file=sys.stderr, flush=True)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)  # the end of its link is what tells
        self._loop.call_later(LOOK_S, self._look_for_hung)

    def _let_go(self, worker: PipelineWorker) -> None:
        self._loop.remove_reader(worker.link.fileno())
        worker.link.close()
        self._workers[worker.stage].discard(worker)
        self._places[worker.stage][:] = [other for other in self._places[worker.stage] if other is not worker]
