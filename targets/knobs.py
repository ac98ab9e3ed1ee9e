"""The knobs of each embedded target. Importing this imports nothing heavy.

A new knob is one `Knob` in the `knobs.py` of its package and one entry in the tuple or `KnobSet` that holds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.plan.knobs import Knob, KnobSet
from targets.batching.knobs import BATCHING_KNOBS
from targets.engines.knobs import ENGINE_KNOBS, precision_conflict, thread_conflict
from targets.engines.precision import FLOAT32
from targets.explain.knobs import EXPLAIN_KNOBS, EXPLAIN_METHOD
from targets.generation.knobs import GENERATION_KNOBS
from targets.pipeline.knobs import LAYOUT_KNOBS, STRATEGY
from targets.preprocessing.knobs import PREPROCESSING_KNOBS, preprocessing_conflict
from targets.preprocessing.place import GRAPH
from targets.servers.fixed.knobs import FIXED_KNOBS
from targets.servers.front_ends import FRONT_ENDS

if TYPE_CHECKING:
    from harness.plan.knobs import Setting

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
    return precision_conflict(setting) or thread_conflict(setting) or preprocessing_conflict(setting)


FRONT_END_PORTS = tuple(spec.port for spec in FRONT_ENDS)
MODEL_KNOBS = (*PREPROCESSING_KNOBS, *ENGINE_KNOBS)
INPROCESS = KnobSet("inprocess", MODEL_KNOBS, _conflict)
THREADED = KnobSet("threaded", (MAX_CONNECTIONS, TLS, *EXPLAIN_KNOBS, *MODEL_KNOBS), _conflict)
BATCHED = KnobSet(
    "batched", (*BATCHING_KNOBS, *LAYOUT_KNOBS, *FRONT_END_PORTS, TLS, *EXPLAIN_KNOBS, *MODEL_KNOBS), _batched_conflict
)
AGENT = KnobSet("agent", (*GENERATION_KNOBS, TLS))
NULL = KnobSet("null", (TLS,))
FIXED = KnobSet("fixed", (*FIXED_KNOBS, TLS))
