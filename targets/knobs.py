"""The knobs of the embedded targets. Importing this imports nothing heavy.

A new knob is one `Knob` and one entry in the `KnobSet` of its target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.knobs import Apply, Knob, KnobSet, Owner
from targets.engines.catalog import CATALOG, available, find_engine, not_available
from targets.engines.precision import FLOAT32, PRECISIONS
from targets.preprocessing.knobs import PREPROCESSING_KNOBS, preprocessing_conflict
from targets.preprocessing.place import GRAPH

if TYPE_CHECKING:
    from harness.plan.knobs import Setting

BATCH_SIZE = Knob(
    name="batch_size",
    doc="Max batch size: the most rows in one model call.",
    default=32,
    swept=(1, 4, 16, 64),
    unit="rows",
    minimum=1,
    maximum=4096,
    apply=Apply.LIVE,
)
BATCH_WAIT = Knob(
    name="batch_wait_ms",
    doc="Max queue delay: how long an incomplete batch waits for more rows, from the arrival of its oldest row.",
    default=0.0,
    swept=(0.0, 0.5, 1.0, 2.0, 5.0),
    unit="ms",
    minimum=0,
    maximum=10_000,
    apply=Apply.LIVE,
)
BATCH_POLICY = Knob(
    name="batch_policy",
    doc="greedy: never wait; fixed: wait up to batch_wait_ms; slo: wait as long as slo_ms allows.",
    default="fixed",
    swept=("greedy", "fixed", "slo"),
    choices=("greedy", "fixed", "slo"),
    apply=Apply.LIVE,
)
SLO = Knob(
    name="slo_ms",
    doc="For batch_policy=slo: the latency objective, from the admission of a request to the end of its batch.",
    default=20.0,
    swept=(5.0, 10.0, 20.0, 50.0),
    unit="ms",
    minimum=0.1,
    maximum=60_000,
    apply=Apply.LIVE,
)
QUEUE_LIMIT = Knob(
    name="queue_limit",
    doc="The most rows that wait for the model; further requests are refused with 503.",
    default=1024,
    swept=(64, 256, 1024, 4096),
    unit="rows",
    minimum=1,
    maximum=1_000_000,
    apply=Apply.LIVE,
)
GRPC_PORT = Knob(
    name="grpc_port",
    doc="Port of the Open Inference Protocol over gRPC; 0: a free port, -1: no gRPC.",
    default=-1,
    swept=(-1,),
    minimum=-1,
    maximum=65_535,
)
REPLICAS = Knob(
    name="replicas",
    doc="Processes, each with the whole model (data parallel), on equal shares of the cores.",
    default=1,
    swept=(1, 2, 4),
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


TLS = Knob(
    name="tls",
    doc="Serve over TLS with a temporary certificate (or that of --tls-cert).",
    default=False,
    swept=(False, True),
)
MAX_CONNECTIONS = Knob(
    name="max_connections",
    doc="The most concurrent connections, and so threads; further connections are refused with 503.",
    default=256,
    swept=(16, 64, 256),
    unit="connections",
    minimum=1,
    maximum=10_000,
)
ENGINE = Knob(
    name="engine",
    doc=f"The engine that executes the Keras model ({', '.join(f'{spec.name}: {spec.doc}' for spec in CATALOG)}).",
    default="concrete-function",
    swept=available(),
    choices=tuple(spec.name for spec in CATALOG),
    unavailable=not_available(),
    owner=Owner.ENGINE,
)
PRECISION = Knob(
    name="precision",
    doc="The number format in which the engine computes; the model card has the resulting accuracy.",
    default=FLOAT32,
    swept=PRECISIONS,
    choices=PRECISIONS,
    owner=Owner.ENGINE,
)
INTRA_OP_THREADS = Knob(
    name="intra_op_threads",
    doc="Threads inside one operation of the model; 0: as many as the cores that the process may use.",
    default=0,
    swept=(1, 2, 4),
    unit="threads",
    minimum=0,
    maximum=1024,
    owner=Owner.ENGINE,
)
INTER_OP_THREADS = Knob(
    name="inter_op_threads",
    doc="Threads over independent operations of the model; 0: as many as the cores that the process may use.",
    default=0,
    swept=(1, 2, 4),
    unit="threads",
    minimum=0,
    maximum=1024,
    owner=Owner.ENGINE,
)
EXPLAIN_METHOD = Knob(
    name="explain_method",
    doc="Method of :explain. integrated-gradients: gradients on the path from a baseline of zeros; occlusion: the loss "
    "of the predicted class when a part of the input is hidden; off: no explanations.",
    default="off",
    swept=("integrated-gradients", "occlusion"),
    choices=("off", "integrated-gradients", "occlusion"),
)
EXPLAIN_STEPS = Knob(
    name="explain_steps",
    doc="Model rows per explanation: points on the path from the baseline, or parts that are hidden in turn.",
    default=16,
    swept=(8, 16, 32, 64),
    unit="rows",
    minimum=1,
    maximum=4096,
)
EXPLAIN_KNOBS = (EXPLAIN_METHOD, EXPLAIN_STEPS)
ENGINE_KNOBS = (ENGINE, PRECISION, INTRA_OP_THREADS, INTER_OP_THREADS)


def _precision_conflict(setting: Setting) -> str | None:
    engine = find_engine(str(setting["engine"]))
    if setting["precision"] in engine.precisions:
        return None
    return f"precision={setting['precision']}: engine={engine.name} supports {', '.join(engine.precisions)}"


def _batched_conflict(setting: Setting) -> str | None:
    strategy, precision, method = setting["strategy"], setting["precision"], setting["explain_method"]
    if strategy != STRATEGY.default and (setting["replicas"], setting["stages"]) != (1, 1):
        return f"strategy={strategy}: sets replicas and stages itself; leave them out"
    cut = int(setting["stages"]) > 1 or strategy in ("model", "hybrid")
    if cut and precision != FLOAT32:
        return f"precision={precision}: a model in stages supports only {FLOAT32}"
    if method != EXPLAIN_METHOD.default and (cut or setting["dispatch"] == "queue"):
        return (
            f"explain_method={method}: does not work with stages or dispatch=queue, where other processes run the model"
        )
    if setting["preprocess"] == GRAPH and (cut or setting["dispatch"] == "queue"):
        return f"preprocess={GRAPH}: does not work with stages or dispatch=queue"
    return _conflict(setting)


def _conflict(setting: Setting) -> str | None:
    return _precision_conflict(setting) or preprocessing_conflict(setting)


def _share(name: str, doc: str) -> Knob:
    return Knob(name=name, doc=doc, default=0.0, swept=(0.0, 0.01, 0.1), minimum=0, maximum=1)


def _seconds(name: str, doc: str, swept: tuple[float, ...]) -> Knob:
    return Knob(name=name, doc=doc, default=0.0, swept=swept, unit="s", minimum=0, maximum=86_400)


FIXED_KNOBS = (
    Knob(
        name="delay_ms",
        doc="Service time of a request; its mean where service is exponential.",
        default=5.0,
        swept=(1.0, 5.0, 20.0),
        unit="ms",
        minimum=0,
        maximum=600_000,
    ),
    Knob(
        name="servers",
        doc="Servers of the FIFO queue: requests served at the same time; 0: no limit.",
        default=0,
        swept=(0, 1, 4),
        minimum=0,
        maximum=100_000,
    ),
    Knob(
        name="service",
        doc="Distribution of the service time.",
        default="constant",
        swept=("constant", "exponential"),
        choices=("constant", "exponential"),
    ),
    Knob(name="seed", doc="Seed of the drawn service times and faults.", default=1, swept=(1, 2, 3), minimum=0),
    _seconds("stall_every_s", "Period of the stalls, during which no response leaves; 0: no stalls.", (0.0, 10.0)),
    _seconds("stall_s", "Duration of each stall.", (0.0, 1.0)),
    _seconds("hang_after_s", "Time after the first request from which no response leaves; 0: never.", (0.0, 3.0)),
    Knob(
        name="drip_ms",
        doc="Duration over which a response leaves in 8 pieces, from the end of its service; 0: at once.",
        default=0.0,
        swept=(0.0, 40.0),
        unit="ms",
        minimum=0,
        maximum=600_000,
    ),
    _share("error_share", "Share of requests that get status 500."),
    _share("wrong_share", "Share of requests that get a prediction other than the expected one."),
    _share("reset_share", "Share of requests whose connection is reset instead of a response."),
    Knob(
        name="log_path",
        doc="CSV file for the true instants of every request; empty: no file.",
        default="",
        swept=("",),
    ),
)

GENERATION_KNOBS = (
    Knob(
        name="max_sequences",
        doc="The most sequences in the batch.",
        default=16,
        swept=(1, 4, 16, 32),
        unit="sequences",
        minimum=1,
        maximum=256,
        apply=Apply.LIVE,
    ),
    Knob(
        name="max_batch_tokens",
        doc="The most tokens in one model step; a longer prompt is cut into chunks.",
        default=256,
        swept=(16, 64, 256, 1024),
        unit="tokens",
        minimum=1,
        maximum=65_536,
        apply=Apply.LIVE,
    ),
    Knob(
        name="scheduling",
        doc="continuous: sequences join and leave the batch at any token; static: a batch ends before the next begins.",
        default="continuous",
        swept=("continuous", "static"),
        choices=("continuous", "static"),
        apply=Apply.LIVE,
    ),
    Knob(
        name="kv_cache",
        doc="Cache the keys and values of earlier tokens; off: each step recomputes them.",
        default=True,
        swept=(True, False),
        apply=Apply.LIVE,
    ),
    Knob(
        name="token_limit",
        doc="The largest max_tokens of a request, and its default.",
        default=256,
        swept=(64, 256),
        unit="tokens",
        minimum=1,
        maximum=512,
        apply=Apply.LIVE,
    ),
)
SEQUENCES_WAITING = Knob(
    name="queue_limit",
    doc="The most sequences that wait to join the batch; further requests are refused with 503.",
    default=256,
    swept=(16, 64, 256),
    unit="sequences",
    minimum=1,
    maximum=100_000,
    apply=Apply.LIVE,
)

MODEL_KNOBS = (*PREPROCESSING_KNOBS, *ENGINE_KNOBS)
INPROCESS = KnobSet("inprocess", MODEL_KNOBS, _conflict)
THREADED = KnobSet("threaded", (MAX_CONNECTIONS, TLS, *EXPLAIN_KNOBS, *MODEL_KNOBS), _conflict)
BATCHING_KNOBS = (BATCH_SIZE, BATCH_WAIT, QUEUE_LIMIT, BATCH_POLICY, SLO)
BATCHED = KnobSet(
    "batched", (*BATCHING_KNOBS, *LAYOUT_KNOBS, GRPC_PORT, TLS, *EXPLAIN_KNOBS, *MODEL_KNOBS), _batched_conflict
)
AGENT = KnobSet("agent", (*GENERATION_KNOBS, SEQUENCES_WAITING, TLS))
NULL = KnobSet("null", (TLS,))
FIXED = KnobSet("fixed", (*FIXED_KNOBS, TLS))
