"""The knobs of the load, which are swept like those of a target."""

from __future__ import annotations

from functools import partial

from harness.plan.knobs import Apply, Knob, KnobSet, Owner
from harness.wire.protocol import DEFAULT
from harness.wire.protocols import PROTOCOLS

CONCURRENCY, RATE, MIX, PROTOCOL, CHECK, SKEW = "concurrency", "rate", "mix", "protocol", "check", "skew"
PROMPT_TOKENS, OUTPUT_TOKENS, TURNS, PREFIX_SHARE = "prompt_tokens", "output_tokens", "turns", "prefix_share"
CHAT_KNOBS = (PROMPT_TOKENS, OUTPUT_TOKENS, TURNS, PREFIX_SHARE)
OTHER_WORK = (MIX, *CHAT_KNOBS)  # points that differ in these alone do other work: none of them is the best
LEVELS = (CONCURRENCY, RATE)  # these two make a load level; any other is part of a point's setting

_Knob = partial(Knob, owner=Owner.LOAD, apply=Apply.LIVE)
LOAD_KNOBS = KnobSet(
    "the load",
    (
        _Knob(
            name=CONCURRENCY,
            doc="Users in a closed loop: each sends its next request after its last response.",
            default=32,
            swept=(1, 8, 32, 128),
            unit="users",
            minimum=1,
            maximum=100_000,
        ),
        _Knob(
            name=RATE,
            doc="Requests per second of an open loop, independent of the responses (--arrivals chooses the process).",
            default=100.0,
            swept=(50.0, 100.0, 200.0, 400.0, 800.0),
            unit="requests/s",
            minimum=0.001,
            maximum=1e7,
        ),
        _Knob(
            name=MIX,
            doc="The weights of the scenario's request classes in the load: predict:95+explain:5. Without "
            "values: the scenario's first class alone, then its own mix.",
            default="predict",
            swept=("predict", "predict:90+explain:10"),
        ),
        _Knob(
            name=PROTOCOL,
            doc="The protocol of the requests. "
            + "; ".join(f"{protocol.name}: {protocol.doc}" for protocol in PROTOCOLS.values())
            + ".",
            default=DEFAULT,
            swept=tuple(protocol.name for protocol in PROTOCOLS.values() if protocol.swept),
            choices=tuple(PROTOCOLS),
        ),
        _Knob(
            name=SKEW,
            doc="Exponent of Zipf's law for the popularity of payloads; 0: all equally popular.",
            default=0.0,
            swept=(0.0, 1.0, 2.0),
            minimum=0,
            maximum=10,
        ),
        _Knob(
            name=PROMPT_TOKENS,
            doc="Language models: tokens of each prompt, by the server's own count; the prompts are made.",
            default=512,
            swept=(128, 512, 2048),
            unit="tokens",
            minimum=1,
            maximum=1_000_000,
        ),
        _Knob(
            name=OUTPUT_TOKENS,
            doc="Language models: tokens of each response.",
            default=64,
            swept=(16, 64, 256),
            unit="tokens",
            minimum=1,
            maximum=1_000_000,
        ),
        _Knob(
            name=TURNS,
            doc="Language models: turns of each conversation.",
            default=1,
            swept=(1, 4),
            minimum=1,
            maximum=1000,
        ),
        _Knob(
            name=PREFIX_SHARE,
            doc="Language models: the share of prompt_tokens that all prompts begin with.",
            default=0.0,
            swept=(0.0, 0.5, 0.9),
            minimum=0,
            maximum=0.99,
        ),
        _Knob(
            name=CHECK,
            doc="Which responses are compared with the expected ones: all; sample: the first of each payload and 5 %; "
            "or none (off).",
            default="all",
            swept=("all", "sample", "off"),
            choices=("all", "sample", "off"),
        ),
    ),
)
