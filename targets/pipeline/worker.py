"""One process that computes: it loads its stage, says so, and runs errands until the other side is gone."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import TYPE_CHECKING

import msgspec

from harness.clock import monotonic_ns
from harness.errors import SweepspotError
from harness.plan.knobs import Setting
from targets.loading import load_model, open_stage
from targets.pipeline.job import FAILED_NS, Errand, receive
from targets.pipeline.slots import Geometry, Slots
from targets.pipeline.stages import stages_of
from targets.preparation import prepare_served
from targets.servers.compute import warm_curve

if TYPE_CHECKING:
    import socket

    from harness.child_process import ControlChannel
    from harness.plan.target_spec import Progress
    from targets.engines import Engine
    from targets.pipeline.stages import Stage


class WorkOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What a computing process is started with."""

    model: str
    setting: Setting  # complete
    stage: int
    stages: int
    geometry: Geometry

    def load(self, progress: Progress) -> tuple[Stage, Engine]:
        """The stage and its engine. Raises UserError."""
        prepared = prepare_served(self.model, self.setting, progress)
        stage = stages_of(prepared, self.stages, progress)[self.stage]
        if self.stages == 1:
            return stage, load_model(prepared, self.setting, progress).engine
        return stage, open_stage(stage, self.setting)


class Worker:
    """A loaded stage over shared memory."""

    def __init__(self, number: int, stage: Stage, engine: Engine, slots: Slots) -> None:
        self._number = number
        self._stage = stage
        self._engine = engine
        self._slots = slots

    def run(self, errand: Errand) -> Errand:
        """Compute, and leave the output where the next stage reads it."""
        number, stage = self._number, self._stage
        inputs = self._slots.tensor(errand.slot, number, errand.shape, stage.input_dtype)
        began_ns = monotonic_ns()
        try:
            outputs = self._engine.predict(inputs)
            self._slots.tensor(errand.slot, number + 1, outputs.shape)[:] = outputs
        except Exception:  # noqa: BLE001  (the model is foreign code: its failure is the batch's, not the process's)
            traceback.print_exc(file=sys.stderr)
            return errand._replace(began_ns=began_ns, ended_ns=FAILED_NS)
        return Errand(errand.slot, outputs.shape, began_ns, monotonic_ns())


def work(order: WorkOrder, memory: int, link: socket.socket, control: ControlChannel) -> int:
    """Load, warm up, say *ready* with the service-time curve, and run errands. The exit code of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that listens, which then lets go of us
    try:
        stage, engine = order.load(_unwatched)
        worker = Worker(order.stage, stage, engine, Slots.attach(memory, order.geometry))
    except SweepspotError as error:
        control.send({"event": "error", "message": str(error)})
        return int(error.exit_code)
    curve = list(warm_curve(engine, stage))
    control.send({"event": "ready", "pid": os.getpid(), "curve": curve})
    while (errand := receive(link)) is not None:
        worker.run(errand).send(link)
    return 0


def _unwatched(stage: str, done: int, total: int) -> None:
    del stage, done, total
