"""A pool of worker processes for one server; a worker that dies is started again."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from harness.errors import RunError, UserError
from targets.batching.knobs import BATCH_SIZE
from targets.cores import share_of
from targets.pipeline.slots import Geometry, Slots, create_memory
from targets.pipeline.worker import WorkerOrder
from targets.servers.restarting_child import Launch, RestartingChild

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress
    from harness.system.control_channel import Message
    from targets.pipeline.stages import ModelStage

STOP_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class PipelineWorker:
    """A worker process that has loaded its stage, and the socket that carries its jobs."""

    stage: int
    link: socket.socket
    pid: int

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True, slots=True)
class PoolOrder:
    """The parameters of a pool: a model, its complete knobs, and the number of workers per stage."""

    model: str
    setting: Setting
    replicas: int


def jobs_per_process(stages: int) -> int:
    """The number of batches that a worker has at a time: in a pipeline one of them waits."""
    return 1 if stages == 1 else 2


def geometry_of(stages: Sequence[ModelStage], replicas: int) -> Geometry:
    """A slot for each batch that the workers can have."""
    most_rows = int(BATCH_SIZE.maximum or BATCH_SIZE.default)
    slots = replicas * len(stages) * jobs_per_process(len(stages))
    return Geometry(slots=slots, rows=most_rows, width=max(stage.width for stage in stages))


class WorkerPool:
    """`replicas` worker processes for each of `stages`. A worker that dies is started again."""

    def __init__(self, order: PoolOrder, stages: Sequence[ModelStage], progress: Progress) -> None:
        self.stages = stages
        self._order = order
        self._progress = progress
        geometry = geometry_of(stages, order.replicas)
        self._memory = create_memory(geometry)
        self.slots = Slots.attach(self._memory, geometry)
        self._lock = threading.Lock()
        self._links: dict[RestartingChild, socket.socket] = {}  # this side's end, until the child is ready
        self._ready: list[PipelineWorker] = []  # ready before `watch` was called
        self._on_worker: Callable[[PipelineWorker], None] | None = None
        self._settled = threading.Event()
        self._failure: RunError | UserError | None = None
        self._stopping = False
        count = order.replicas * len(stages)
        self._children = [self._child(index, count) for index in range(count)]

    def launch(self) -> None:
        """Start all workers and wait until they are ready. Raises UserError or RunError where one cannot start."""
        for child in self._children:
            child.start()
        self._settled.wait()
        if self._failure is not None:
            self.stop()
            raise self._failure

    def watch(self, loop: asyncio.AbstractEventLoop, on_worker: Callable[[PipelineWorker], None]) -> None:
        """Call `on_worker` on `loop` for each worker that is ready now or becomes ready later."""
        with self._lock:
            self._on_worker = lambda worker: _call_soon(loop, on_worker, worker)
            ready, self._ready = self._ready, []
        for worker in ready:
            on_worker(worker)

    def stop(self) -> None:
        """End all workers. Their links must have been closed by their owner."""
        self._stopping = True
        for child in self._children:
            child.stop()
        for link in self._links.values():
            link.close()
        for child in self._children:
            child.join(STOP_LIMIT_S)

    def _child(self, index: int, count: int) -> RestartingChild:
        stage = index % len(self.stages)
        return RestartingChild(partial(self._launch, stage, index, count), partial(self._on_message, stage))

    def _launch(self, stage: int, index: int, count: int) -> Launch:
        ours, theirs = socket.socketpair()
        self._links[self._children[index]] = ours
        order = WorkerOrder(
            model=self._order.model,
            setting=self._order.setting,
            stage=stage,
            stages=len(self.stages),
            geometry=self.slots.geometry,
        )
        argv = [sys.executable, "-m", "targets.pipeline", msgspec.json.encode(order).decode()]
        argv += ["--memory-fd", str(self._memory), "--link-fd", str(theirs.fileno())]
        return Launch(argv, (theirs,), (self._memory,), share_of(index, count))

    def _on_message(self, stage: int, child: RestartingChild, message: Message) -> None:
        match message["event"]:
            case "ready":
                self._on_ready(PipelineWorker(stage, self._links.pop(child), int(message["pid"])))
            case "error":
                self._fail(UserError(str(message["message"])))
            case "gone":
                self._on_gone(stage, child, message)

    def _on_ready(self, worker: PipelineWorker) -> None:
        with self._lock:
            on_worker = self._on_worker
            if on_worker is None:
                self._ready.append(worker)
            ready = len(self._ready)
        if on_worker is not None:
            print(f"stage {worker.stage + 1}: process {worker.pid} is ready", file=sys.stderr, flush=True)
            on_worker(worker)
            return
        self._progress("starting worker processes", ready, len(self._children))
        if ready == len(self._children):
            self._settled.set()

    def _on_gone(self, stage: int, child: RestartingChild, message: dict[str, Any]) -> None:
        if (link := self._links.pop(child, None)) is not None:
            link.close()
        if self._stopping:
            return
        code, pid = message["code"], message["pid"]
        if not self._settled.is_set():
            self._fail(RunError(f"a worker of stage {stage + 1} ended with exit code {code} before it was ready"))
            return
        print(
            f"stage {stage + 1}: process {pid} ended with exit code {code}; starting it again",
            file=sys.stderr,
            flush=True,
        )

    def _fail(self, error: RunError | UserError) -> None:
        if not self._settled.is_set():
            self._failure = self._failure or error
            self._settled.set()


def _call_soon(
    loop: asyncio.AbstractEventLoop, on_worker: Callable[[PipelineWorker], None], worker: PipelineWorker
) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(on_worker, worker)
