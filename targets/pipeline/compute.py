"""`Compute` by a crew: batches go from stage to stage, each to the process of its next stage that has the least.

With one stage a process has at most one batch, so that a batch is formed as late as possible and never waits behind
another while a process is idle: a queue with many servers. In a pipeline each process has one more before it, so that
no stage idles until the process that listens has its turn. Slots are few: when they are used up, requests wait in the
queue and batches grow. A process that hangs is killed: its batches fail, and the crew starts it again.
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
from targets.pipeline.job import FAILED_NS, SIZE, Errand, parse
from targets.pipeline.worker_pool import jobs_per_process
from targets.servers.compute import MODEL_FAILED, Compute
from targets.servers.protocols.errors import ProtocolError
from targets.servers.work import Joining, reply

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from targets.pipeline.worker_pool import Crew, Hand
    from targets.preprocessing.intake import Intake
    from targets.servers.compute import Batch, Result

HUNG_AFTER_NS = 300 * NS_PER_S  # a model call that takes longer is taken for one that never ends
LOOK_S = 1.0
LATE_LOOK_NS = 5 * NS_PER_S  # a look that comes so much later: this very process stood still, and so may have all
PROCESS_DIED = ProtocolError(500, "the process that had this request died; it is being started again")


@dataclass(slots=True)
class Job:
    """A batch under way: its slot, the tensor there, what joining its rows took, and each stage until now."""

    batch: Batch
    slot: int
    shape: tuple[int, ...]
    joining: Joining
    stage_ns: list[int] = field(default_factory=list)


class PipelineCompute(Compute):
    """Routes jobs over the hands of a crew that has been launched."""

    _loop: asyncio.AbstractEventLoop
    _finish: Callable[[Batch, Result], None]
    _on_free: Callable[[], None]

    def __init__(self, crew: Crew, intake: Intake) -> None:
        self._crew = crew
        self._intake = intake
        self._slots = crew.slots
        self._free_slots = list(range(crew.slots.geometry.slots))
        stages = range(len(crew.stages))
        self._hands: list[set[Hand]] = [set() for _ in stages]
        self._places: list[list[Hand]] = [[] for _ in stages]  # a hand once for each job more that it would take
        self._waiting: list[deque[Job]] = [deque() for _ in stages]
        self._jobs: dict[Hand, deque[Job]] = {}  # in the order in which it does them
        self._heard_ns: dict[Hand, int] = {}  # when each last gave something back, or was given its only job
        self._looked_ns = 0
        self._depth = jobs_per_process(len(crew.stages))

    def start(
        self,
        loop: asyncio.AbstractEventLoop,
        finish: Callable[[Batch, Result], None],
        on_free: Callable[[], None],
    ) -> None:
        """Take over the hands that are ready, and those that come later."""
        self._loop, self._finish, self._on_free = loop, finish, on_free
        self._crew.watch(loop, self._welcome)
        self._looked_ns = monotonic_ns()
        self._loop.call_later(LOOK_S, self._look_for_hung)

    def stop(self) -> None:
        """Let the processes go."""
        for hand in [hand for hands in self._hands for hand in hands]:
            self._let_go(hand)
        self._crew.stop()

    def able(self) -> bool:
        """Whether every stage has a process that lives."""
        return all(self._hands)

    def free(self) -> bool:
        """Whether a process of the first stage would take a batch, and there is a slot."""
        return bool(self._places[0] and self._free_slots)

    def run(self, batch: Batch) -> None:
        """Write the rows into a slot and send it on its way."""
        start_ns = monotonic_ns()
        inputs, steps_ns = self._intake.batch(batch.requests())
        slot = self._free_slots.pop()
        try:
            self._slots.tensor(slot, 0, inputs.shape, self._crew.stages[0].input_dtype)[:] = inputs
        except ValueError as error:
            self._free_slots.append(slot)
            self._finish(batch, ProtocolError(413, str(error)))
            return
        self._waiting[0].append(Job(batch, slot, inputs.shape, Joining(monotonic_ns() - start_ns, steps_ns)))
        self._dispatch(0)

    def _welcome(self, hand: Hand) -> None:
        self._hands[hand.stage].add(hand)
        self._jobs[hand] = deque()
        self._heard_ns[hand] = monotonic_ns()
        self._places[hand.stage] += [hand] * self._depth
        hand.link.setblocking(False)
        self._loop.add_reader(hand.link.fileno(), self._read, hand)
        self._dispatch(hand.stage)
        self._on_free()

    def _dispatch(self, stage: int) -> None:
        places, waiting = self._places[stage], self._waiting[stage]
        while places and waiting:
            hand = min(places, key=lambda hand: len(self._jobs[hand]))
            places.remove(hand)
            job = waiting.popleft()
            if not self._jobs[hand]:
                self._heard_ns[hand] = monotonic_ns()
            self._jobs[hand].append(job)
            with contextlib.suppress(OSError):  # it has just died: reading will tell
                Errand(job.slot, job.shape).send(hand.link)

    def _read(self, hand: Hand) -> None:
        try:
            message = hand.link.recv(SIZE)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if len(message) != SIZE:  # what is sent in one piece over such a socket comes in one piece
            self._lost(hand)
            return
        job = self._jobs[hand].popleft()
        self._heard_ns[hand] = monotonic_ns()
        self._places[hand.stage].append(hand)
        self._advance(job, hand.stage, parse(message))
        self._dispatch(hand.stage)
        self._on_free()

    def _advance(self, job: Job, stage: int, errand: Errand) -> None:
        if errand.ended_ns == FAILED_NS:
            self._end(job, MODEL_FAILED)
            return
        job.stage_ns.append(errand.ended_ns - errand.began_ns)
        job.shape = errand.shape
        if stage + 1 == len(self._hands):
            outputs = self._intake.answers(self._slots.tensor(job.slot, stage + 1, job.shape))
            self._end(job, reply(outputs, job.batch.requests(), job.joining, tuple(job.stage_ns)))
        elif self._hands[stage + 1]:
            self._waiting[stage + 1].append(job)
            self._dispatch(stage + 1)
        else:
            self._end(job, PROCESS_DIED)

    def _end(self, job: Job, result: Result) -> None:
        self._free_slots.append(job.slot)
        self._finish(job.batch, result)

    def _lost(self, hand: Hand) -> None:
        """Its batches fail; so do those that wait for its stage where it was the last one."""
        stage = hand.stage
        self._let_go(hand)
        self._heard_ns.pop(hand)
        for job in self._jobs.pop(hand):
            self._end(job, PROCESS_DIED)
        while self._waiting[stage] and not self._hands[stage]:
            self._end(self._waiting[stage].popleft(), PROCESS_DIED)
        self._on_free()

    def _look_for_hung(self) -> None:
        now_ns = monotonic_ns()
        if now_ns - self._looked_ns > LATE_LOOK_NS:
            self._heard_ns = dict.fromkeys(self._heard_ns, now_ns)
        self._looked_ns = now_ns
        for hand, jobs in self._jobs.items():
            if jobs and now_ns - self._heard_ns[hand] > HUNG_AFTER_NS:
                said = f"stage {hand.stage + 1}: process {hand.pid} has given nothing back"
                print(f"{said} for {HUNG_AFTER_NS // NS_PER_S} s and is killed", file=sys.stderr, flush=True)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(hand.pid, signal.SIGKILL)  # the end of its link is what tells
        self._loop.call_later(LOOK_S, self._look_for_hung)

    def _let_go(self, hand: Hand) -> None:
        self._loop.remove_reader(hand.link.fileno())
        hand.link.close()
        self._hands[hand.stage].discard(hand)
        self._places[hand.stage][:] = [other for other in self._places[hand.stage] if other is not hand]
