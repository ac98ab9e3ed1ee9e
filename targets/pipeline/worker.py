"""A worker process: it loads its stage, reports that it is ready, and runs jobs until the server closes the link."""

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
from targets.pipeline.job import FAILED_NS, Job, receive
from targets.pipeline.slots import Geometry, Slots
from targets.pipeline.stages import stages_of
from targets.preparation import no_progress, prepare_served
from targets.servers.compute import warm_curve

if TYPE_CHECKING:
    import socket

    from harness.plan.target_spec import Progress
    from harness.system.control_channel import ControlChannel
    from targets.engines import InferenceEngine
    from targets.pipeline.stages import ModelStage


class WorkerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The start parameters of a worker process."""

    model: str
    setting: Setting  # complete
    stage: int
    stages: int
    geometry: Geometry

    def load(self, progress: Progress) -> tuple[ModelStage, InferenceEngine]:
        """Load the stage and its engine. Raises UserError."""
        prepared = prepare_served(self.model, self.setting, progress)
        stage = stages_of(prepared, self.stages, progress)[self.stage]
        if self.stages == 1:
            return stage, load_model(prepared, self.setting, progress).engine
        return stage, open_stage(stage, self.setting)


class StageRunner:
    """Runs a loaded stage on tensors in shared memory."""

    def __init__(self, number: int, stage: ModelStage, engine: InferenceEngine, slots: Slots) -> None:
        self._number = number
        self._stage = stage
        self._engine = engine
        self._slots = slots

    def run(self, job: Job) -> Job:
        """Run the model and write the output to where the next stage reads it."""
        number, stage = self._number, self._stage
        inputs = self._slots.tensor(job.slot, number, job.shape, stage.input_dtype)
        began_ns = monotonic_ns()
        try:
            outputs = self._engine.predict(inputs)
            self._slots.tensor(job.slot, number + 1, outputs.shape)[:] = outputs
        except Exception:  # noqa: BLE001  (the model is foreign code: its failure is the batch's, not the process's)
            traceback.print_exc(file=sys.stderr)
            return job._replace(began_ns=began_ns, ended_ns=FAILED_NS)
        return Job(job.slot, outputs.shape, began_ns, monotonic_ns())


def work(order: WorkerOrder, memory: int, link: socket.socket, control: ControlChannel) -> int:
    """Load, warm up, report `ready` with the service-time curve, and run jobs. Returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that listens, which then ends its workers
    try:
        stage, engine = order.load(no_progress)
        runner = StageRunner(order.stage, stage, engine, Slots.attach(memory, order.geometry))
    except SweepspotError as error:
        control.send({"event": "error", "message": str(error)})
        return int(error.exit_code)
    curve = list(warm_curve(engine, stage))
    control.send({"event": "ready", "pid": os.getpid(), "curve": curve})
    while (job := receive(link)) is not None:
        runner.run(job).send(link)
    return 0
