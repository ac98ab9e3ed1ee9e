"""The knobs of the load itself: swept like any other, owned by no target."""

from __future__ import annotations

from harness.plan.knobs import Apply, Knob, KnobSet, Owner
from harness.wire.protocols import GRPC, HTTP_BINARY, HTTP_JSON, PROTOCOLS

LOAD_KNOBS = KnobSet(
    "the load",
    (
        Knob(
            name="concurrency",
            doc="Users in a closed loop: each sends its next request when its last answer came.",
            default=32,
            swept=(1, 8, 32, 128),
            unit="users",
            minimum=1,
            maximum=100_000,
            owner=Owner.LOAD,
            apply=Apply.LIVE,
        ),
        Knob(
            name="rate",
            doc="Requests per second of an open loop, whatever the answers do (--arrivals says how they are spread).",
            default=100.0,
            swept=(50.0, 100.0, 200.0, 400.0, 800.0),
            unit="requests/s",
            minimum=0.001,
            maximum=1e7,
            owner=Owner.LOAD,
            apply=Apply.LIVE,
        ),
        Knob(
            name="mix",
            doc="How much of each request class of the scenario a load has, by weight: predict:95+explain:5. Without "
            "values: the scenario's first class alone, then its own mix.",
            default="predict",
            swept=("predict", "predict:90+explain:10"),
            owner=Owner.LOAD,
            apply=Apply.LIVE,
        ),
        Knob(
            name="protocol",
            doc="What is spoken: Open Inference Protocol v2 as JSON, with binary tensors, or over gRPC; "
            "or TensorFlow Serving's REST.",
            default=HTTP_JSON,
            swept=(HTTP_JSON, HTTP_BINARY, GRPC),
            choices=PROTOCOLS,
            owner=Owner.LOAD,
            apply=Apply.LIVE,
        ),
        Knob(
            name="skew",
            doc="How unequally the payloads are asked for: exponent of Zipf's law; 0: all alike.",
            default=0.0,
            swept=(0.0, 1.0, 2.0),
            minimum=0,
            maximum=10,
            owner=Owner.LOAD,
            apply=Apply.LIVE,
        ),
        Knob(
            name="check",
            doc="Which answers are compared with the right ones: all; sample: the first of each payload and 5 %; "
            "or none (off).",
            default="all",
            swept=("all", "sample", "off"),
            choices=("all", "sample", "off"),
            owner=Owner.LOAD,
            apply=Apply.LIVE,
        ),
    ),
)
