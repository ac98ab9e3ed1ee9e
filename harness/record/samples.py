"""A sample: one reading of one resource, with its own lateness and error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    import pyarrow as pa


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One reading. `value` None: the reading failed, and `error` says why.

    Sources: "target" and "load" (a process tree), "machine", "cpu0", "cpu1", ... (a core), "gpu0", ...,
    "sampler" (the sampler's own cost). Metrics carry their unit: "cpu_s" (cumulative CPU seconds of the tree),
    "rss_bytes", "threads", "context_switches" (cumulative), "cpu_percent" (a core, since the last sample),
    "steal_s" (cumulative), "utilization_percent", "memory_bytes", "power_w", "energy_j" (cumulative), "clock_mhz".
    """

    t_ns: int  # CLOCK_MONOTONIC, when it was read
    late_ns: int  # after the deadline it was due at
    source: str
    metric: str
    value: float | None
    error: str | None = None


def sample_schema() -> pa.Schema:
    """The Arrow schema of `samples.arrow`."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("t_ns", pa.int64(), nullable=False),
            pa.field("late_ns", pa.int64(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("metric", pa.string(), nullable=False),
            pa.field("value", pa.float64()),
            pa.field("error", pa.string()),
        ]
    )
