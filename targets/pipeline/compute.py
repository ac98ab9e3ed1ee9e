"""Runs batches on a pool of worker processes, from stage to stage, each on the least loaded worker of its next stage.

With one stage a worker has at most one batch, so that a batch is formed as late as possible and never waits while a
worker is idle (a queue with several servers). In a pipeline one more batch waits at each worker, so that no stage idles
until the event loop runs. Slots are few: when all are in use, requests wait in the queue and batches grow. A worker
that hangs is killed; its batches fail, and the pool starts it again.
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
from targets.servers.model_call import JoinTimes, serialise
from targets.servers.protocols.errors import ProtocolError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from targets.pipeline.worker_pool import PipelineWorker, WorkerPool
    from targets.preprocessing.input_assembler import InputAssembler
    from targets.servers.compute import Batch, Result

HUNG_AFTER_NS = 300 * NS_PER_S  # a model call that takes longer counts as hung
LOOK_S = 1.0
LATE_LOOK_NS = 5 * NS_PER_S  # after such a gap between two looks this process, and perhaps all, were suspended
PROCESS_DIED = ProtocolError(500, "the process that computed this request died; it is being started again")


@dataclass(slots=True)
class BatchInFlight:
    """A batch in the pipeline: its slot, the shape of its tensor, and the times of joining and of each stage so far."""

    batch: Batch
    slot: int
    shape: tuple[int, ...]
    join_times: JoinTimes
    stage_ns: list[int] = field(default_factory=list)


class PipelineCompute(Compute):
    """Distributes batches over the workers of a launched pool."""

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
        # A worker is in the list once for each further job that it can take.
        self._places: list[list[PipelineWorker]] = [[] for _ in stages]
        self._waiting: list[deque[BatchInFlight]] = [deque() for _ in stages]
        self._jobs: dict[PipelineWorker, deque[BatchInFlight]] = {}  # in the order of execution
        self._heard_ns: dict[PipelineWorker, int] = {}  # when each last returned a job, or got a job while idle
        self._looked_ns = 0
        self._depth = jobs_per_process(len(pool.stages))

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        finish: Callable[[Batch, Result], None],
        on_free: Callable[[], None],
    ) -> None:
        """Use the workers that are ready, and each further one once it is ready."""
        self._loop, self._finish, self._on_free = loop, finish, on_free
        self._pool.watch(loop, self._add_worker)
        self._looked_ns = monotonic_ns()
        self._loop.call_later(LOOK_S, self._look_for_hung)

    def stop(self) -> None:
        """End the workers."""
        for worker in [worker for workers in self._workers for worker in workers]:
            self._remove_worker(worker)
        self._pool.stop()

    def able(self) -> bool:
        """Whether every stage has a live worker."""
        return all(self._workers)

    def free(self) -> bool:
        """Whether a worker of the first stage can take a batch and a slot is free."""
        return bool(self._places[0] and self._free_slots)

    def run(self, batch: Batch) -> None:
        """Write the rows into a slot and send the job to the first stage."""
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

    def _add_worker(self, worker: PipelineWorker) -> None:
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
            with contextlib.suppress(OSError):  # it has just died: `_read` handles that
                Job(job.slot, job.shape).send(worker.link)

    def _read(self, worker: PipelineWorker) -> None:
        try:
            message = worker.link.recv(SIZE)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if len(message) != SIZE:  # such a short message arrives whole or not at all
            self._on_worker_died(worker)
            return
        job = self._jobs[worker].popleft()
        self._heard_ns[worker] = monotonic_ns()
        self._places[worker.stage].append(worker)
        self._advance(job, worker.stage, parse(message))
        self._dispatch(worker.stage)
        self._on_free()

    def _advance(self, in_flight: BatchInFlight, stage: int, job: Job) -> None:
        if job.ended_ns == FAILED_NS:
            self._end(in_flight, MODEL_FAILED)
            return
        in_flight.stage_ns.append(job.ended_ns - job.began_ns)
        in_flight.shape = job.shape
        if stage + 1 == len(self._workers):
            outputs = self._assembler.average_views(self._slots.tensor(in_flight.slot, stage + 1, in_flight.shape))
            requests, stages_ns = in_flight.batch.requests(), tuple(in_flight.stage_ns)
            self._end(in_flight, serialise(outputs, requests, in_flight.join_times, stages_ns))
        elif self._workers[stage + 1]:
            self._waiting[stage + 1].append(in_flight)
            self._dispatch(stage + 1)
        else:
            self._end(in_flight, PROCESS_DIED)

    def _end(self, job: BatchInFlight, result: Result) -> None:
        self._free_slots.append(job.slot)
        self._finish(job.batch, result)

    def _on_worker_died(self, worker: PipelineWorker) -> None:
        """Fail the batches of a dead worker, and those that wait for its stage where it was the last worker."""
        stage = worker.stage
        self._remove_worker(worker)
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
                silent = f"returned nothing for {HUNG_AFTER_NS // NS_PER_S} s"
                print(
                    f"stage {worker.stage + 1}: process {worker.pid} {silent}: killing it", file=sys.stderr, flush=True
                )
                with contextlib.suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)  # `_read` then sees the end of its link
        self._loop.call_later(LOOK_S, self._look_for_hung)

    def _remove_worker(self, worker: PipelineWorker) -> None:
        self._loop.remove_reader(worker.link.fileno())
        worker.link.close()
        self._workers[worker.stage].discard(worker)
        self._places[worker.stage][:] = [other for other in self._places[worker.stage] if other is not worker]
