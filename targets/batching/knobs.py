"""The knobs of dynamic batching. Importing this imports nothing heavy."""

from __future__ import annotations

from harness.plan.knobs import Apply, Knob
from targets.batching import POLICIES

BATCH_SIZE = Knob(
    name="batch_size",
    doc="Max batch size: the most rows in one model call; one request's views and explanation steps may be more.",
    default=32,
    swept=(1, 4, 16, 64),
    tuned=(1, 2, 4, 8, 16, 32, 64, 128),
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
    tuned=(0.0, 0.5, 1.0, 2.0, 5.0),
    needs=(("batch_policy", ("fixed",)),),
    unit="ms",
    minimum=0,
    maximum=10_000,
    apply=Apply.LIVE,
)
BATCH_POLICY = Knob(
    name="batch_policy",
    doc="greedy: never wait; fixed: wait up to batch_wait_ms; slo: wait as long as slo_ms allows.",
    default="fixed",
    swept=tuple(POLICIES),
    tuned=("greedy", "fixed"),
    choices=tuple(POLICIES),
    apply=Apply.LIVE,
)
SLO = Knob(
    name="slo_ms",
    doc="For batch_policy=slo: the latency objective, from the admission of a request to the end of its batch.",
    default=20.0,
    swept=(5.0, 10.0, 20.0, 50.0),
    needs=(("batch_policy", ("slo",)),),
    unit="ms",
    minimum=0.1,
    maximum=60_000,
    apply=Apply.LIVE,
)
QUEUE_LIMIT = Knob(
    name="queue_limit",
    doc="The most rows that wait for the model, or one larger request; further requests are refused with 503.",
    default=1024,
    swept=(64, 256, 1024, 4096),
    unit="rows",
    minimum=1,
    maximum=1_000_000,
    apply=Apply.LIVE,
)
BATCHING_KNOBS = (BATCH_SIZE, BATCH_WAIT, QUEUE_LIMIT, BATCH_POLICY, SLO)
