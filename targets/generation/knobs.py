"""The knobs of language models. Importing this imports nothing heavy."""

from __future__ import annotations

from harness.plan.knobs import Apply, Knob

GENERATION_KNOBS = (
    Knob(
        name="max_sequences",
        doc="The most sequences in the batch.",
        default=16,
        swept=(1, 4, 16, 32),
        tuned=(1, 2, 4, 8, 16, 32, 64),
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
        tuned=(16, 32, 64, 128, 256, 512, 1024),
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
        tuned=("continuous", "static"),
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
    Knob(
        name="queue_limit",
        doc="The most sequences that wait to join the batch; further requests are refused with 503.",
        default=256,
        swept=(16, 64, 256),
        unit="sequences",
        minimum=1,
        maximum=100_000,
        apply=Apply.LIVE,
    ),
)
