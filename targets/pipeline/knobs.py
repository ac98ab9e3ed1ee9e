"""The knobs of replicas, stages and cores. Importing this imports nothing heavy."""

from __future__ import annotations

from harness.plan.knobs import Knob

REPLICAS = Knob(
    name="replicas",
    doc="Processes, each with the whole model (data parallel), on equal shares of the cores.",
    default=1,
    swept=(1, 2, 4),
    tuned=(1, 2, 4),
    unit="processes",
    minimum=1,
    maximum=64,
)
STAGES = Knob(
    name="stages",
    doc="Processes over which the layers of the model are divided (model parallel); batches pass as in a pipeline.",
    default=1,
    swept=(1, 2, 3),
    unit="processes",
    minimum=1,
    maximum=64,
)
DISPATCH = Knob(
    name="dispatch",
    doc="How requests reach the replicas. port: each replica listens at the port and has its own queue, and the kernel "
    "distributes connections; queue: one process listens and gives batches to idle replicas.",
    default="port",
    swept=("port", "queue"),
    tuned=("port", "queue"),
    choices=("port", "queue"),
)
CORES = Knob(
    name="cores",
    doc="The number of its cores that the target uses; 0: all.",
    default=0,
    swept=(1, 2),
    unit="cores",
    minimum=0,
    maximum=1024,
)
STRATEGY = Knob(
    name="strategy",
    doc="How the cores are used. single: one process, threads inside operations; data: a replica per core; model: a "
    "stage per core, at least 2; hybrid: a replica of 2 stages per 2 cores, at least 2; custom: the values of "
    "replicas and stages.",
    default="custom",
    swept=("single", "data", "model", "hybrid"),
    choices=("custom", "single", "data", "model", "hybrid"),
)
LAYOUT_KNOBS = (REPLICAS, STAGES, DISPATCH, CORES, STRATEGY)
