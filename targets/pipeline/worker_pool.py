"""The crew: the processes that compute for one server, kept alive."""

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
from targets.cores import share_of
from targets.knobs import BATCH_SIZE
from targets.pipeline.slots import Geometry, Slots, create_memory
from targets.pipeline.worker import WorkOrder
from targets.servers.child import Child, Launch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from harness.child_process import Message
    from harness.plan.knobs import Setting
    from harness.plan.target_spec import Progress
    from targets.pipeline.stages import Stage

STOP_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Hand:
    """One process that has loaded its stage, from then until it ends, and the socket that errands go by."""

    stage: int
    link: socket.socket
    pid: int

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True, slots=True)
class CrewOrder:
    """What the crew computes: a model, its knobs (complete), and how often each stage is there."""

    model: str
    setting: Setting
    replicas: int


def jobs_per_process(stages: int) -> int:
    """How many batches a process takes at a time: in a pipeline one waits before it."""
    return 1 if stages == 1 else 2


def geometry_of(stages: Sequence[Stage], replicas: int) -> Geometry:
    """As many slots as batches that processes take."""
    most_rows = int(BATCH_SIZE.maximum or BATCH_SIZE.default)
    slots = replicas * len(stages) * jobs_per_process(len(stages))
    return Geometry(slots=slots, rows=most_rows, width=max(stage.width for stage in stages))


class Crew:
    """`replicas` processes for each of `stages`. Whoever dies is started again."""

    def __init__(self, order: CrewOrder, stages: Sequence[Stage], progress: Progress) -> None:
        self.stages = stages
        self._order = order
        self._progress = progress
        geometry = geometry_of(stages, order.replicas)
        self._memory = create_memory(geometry)
        self.slots = Slots.attach(self._memory, geometry)
        self._lock = threading.Lock()
        self._links: dict[Child, socket.socket] = {}  # our end, until the child is ready
        self._ready: list[Hand] = []  # not yet welcomed
        self._welcome: Callable[[Hand], None] | None = None
        self._settled = threading.Event()
        self._failure: RunError | UserError | None = None
        self._stopping = False
        count = order.replicas * len(stages)
        self._children = [self._child(index, count) for index in range(count)]

    def launch(self) -> None:
        """Start all and wait until they are ready. Raises UserError or RunError where one cannot begin."""
        for child in self._children:
            child.start()
        self._settled.wait()
        if self._failure is not None:
            self.stop()
            raise self._failure

    def watch(self, loop: asyncio.AbstractEventLoop, welcome: Callable[[Hand], None]) -> None:
        """From now on `welcome` is called on `loop` for each process that is ready, now or later."""
        with self._lock:
            self._welcome = lambda hand: _call_soon(loop, welcome, hand)
            ready, self._ready = self._ready, []
        for hand in ready:
            welcome(hand)

    def stop(self) -> None:
        """End all; whoever owns their links has closed them."""
        self._stopping = True
        for child in self._children:
            child.stop()
        for link in self._links.values():
            link.close()
        for child in self._children:
            child.join(STOP_LIMIT_S)

    def _child(self, index: int, count: int) -> Child:
        stage = index % len(self.stages)
        return Child(partial(self._launch, stage, index, count), partial(self._hear, stage))

    def _launch(self, stage: int, index: int, count: int) -> Launch:
        ours, theirs = socket.socketpair()
        self._links[self._children[index]] = ours
        order = WorkOrder(
            model=self._order.model,
            setting=self._order.setting,
            stage=stage,
            stages=len(self.stages),
            geometry=self.slots.geometry,
        )
        argv = [sys.executable, "-m", "targets.pipeline", msgspec.json.encode(order).decode()]
        argv += ["--memory-fd", str(self._memory), "--link-fd", str(theirs.fileno())]
        return Launch(argv, (theirs,), (self._memory,), share_of(index, count))

    def _hear(self, stage: int, child: Child, message: Message) -> None:
        match message["event"]:
            case "ready":
                self._on_ready(Hand(stage, self._links.pop(child), int(message["pid"])))
            case "error":
                self._fail(UserError(str(message["message"])))
            case "gone":
                self._on_gone(stage, child, message)

    def _on_ready(self, hand: Hand) -> None:
        with self._lock:
            welcome = self._welcome
            if welcome is None:
                self._ready.append(hand)
            ready = len(self._ready)
        if welcome is not None:
            print(f"stage {hand.stage + 1}: process {hand.pid} is ready", file=sys.stderr, flush=True)
            welcome(hand)
            return
        self._progress("starting processes that compute", ready, len(self._children))
        if ready == len(self._children):
            self._settled.set()

    def _on_gone(self, stage: int, child: Child, message: dict[str, Any]) -> None:
        if (link := self._links.pop(child, None)) is not None:
            link.close()
        if self._stopping:
            return
        code, pid = message["code"], message["pid"]
        if not self._settled.is_set():
            self._fail(RunError(f"a process of stage {stage + 1} ended with {code} before it was ready"))
            return
        print(f"stage {stage + 1}: process {pid} ended with {code}; starting it again", file=sys.stderr, flush=True)

    def _fail(self, error: RunError | UserError) -> None:
        if not self._settled.is_set():
            self._failure = self._failure or error
            self._settled.set()


def _call_soon(loop: asyncio.AbstractEventLoop, welcome: Callable[[Hand], None], hand: Hand) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
        loop.call_soon_threadsafe(welcome, hand)
