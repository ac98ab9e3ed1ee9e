"""The statistics that an external server keeps of its own work, as they were read during a trial.

Counters only grow, so what happened between two readings is their difference. Where a server gives a sum and a count,
the mean per request (or per batch, where it counts those) is difference by difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from harness.files import read_if_whole

if TYPE_CHECKING:
    from pathlib import Path

    from harness.record.rows import Window

FILE = "server.json"  # in the folder of a trial
Counters = dict[str, float]  # value by name of a sample, labels added up
COVERED = 0.5  # of the window, by readings inside it; below that, those around it are nearer to the truth


class Part(NamedTuple):
    """A part of the split: the growth of `totals`, by that of `per`, in units of `to_ms` milliseconds."""

    name: str  # "queue", "batch_wait", "preprocess", "compute" or "serialise"
    totals: tuple[str, ...]
    per: str
    to_ms: float


class Family(NamedTuple):
    """The names that one kind of server uses. `batched` and `batches` give the mean batch."""

    name: str
    parts: tuple[Part, ...]
    batched: str = ""
    batches: str = ""
    without_labels: tuple[tuple[str, str], ...] = ()  # samples with one of these labels are sums of others

    def samples(self) -> set[str]:
        """Every sample that is read."""
        parts = {name for part in self.parts for name in (*part.totals, part.per)}
        return parts | ({self.batched, self.batches} - {""})


def _triton(part: str, what: str) -> Part:
    return Part(part, (f"nv_inference_{what}_duration_us",), "nv_inference_request_success", 1e-3)


def _triton_json(part: str, what: str) -> Part:
    return Part(part, (f"{what}.ns",), f"{what}.count", 1e-6)


def _seconds(part: str, *names: str) -> Part:
    return Part(part, tuple(f"{name}_sum" for name in names), f"{names[0]}_count", 1e3)


TRITON_STATISTICS = Family(
    "Triton's statistics",
    (
        _triton_json("queue", "queue"),
        _triton_json("preprocess", "compute_input"),
        _triton_json("compute", "compute_infer"),
        _triton_json("serialise", "compute_output"),
    ),
    batched="inference_count",
    batches="execution_count",
)
FAMILIES = (
    Family(
        "Triton's metrics",
        (
            _triton("queue", "queue"),
            _triton("preprocess", "compute_input"),
            _triton("compute", "compute_infer"),
            _triton("serialise", "compute_output"),
        ),
        batched="nv_inference_count",
        batches="nv_inference_exec_count",
    ),
    Family(
        "vLLM's metrics",
        (
            _seconds("queue", "vllm:request_queue_time_seconds"),
            _seconds("preprocess", "vllm:request_prefill_time_seconds"),
            _seconds("compute", "vllm:request_decode_time_seconds"),
        ),
    ),
    Family(
        "TensorFlow Serving's metrics",
        (
            Part(
                "queue",
                (":tensorflow:serving:batching_session:queuing_latency_sum",),
                ":tensorflow:serving:batching_session:queuing_latency_count",
                1e-3,
            ),
            Part(
                "compute",
                (":tensorflow:serving:runtime_latency_sum",),
                ":tensorflow:serving:runtime_latency_count",
                1e-3,
            ),
        ),
        batched=":tensorflow:serving:batching_session:processed_batch_size_sum",
        batches=":tensorflow:serving:batching_session:processed_batch_size_count",
    ),
    Family(
        "mosec's metrics",
        (
            _seconds("batch_wait", "mosec_service_batch_duration_second"),
            _seconds("compute", "mosec_service_process_duration_second"),
        ),
        batched="mosec_service_batch_size_sum",
        batches="mosec_service_batch_size_count",
        without_labels=(("stage", "total"),),
    ),
)


class CounterReading(msgspec.Struct, frozen=True, kw_only=True):
    """The server's counters at one instant of CLOCK_MONOTONIC."""

    at_ns: int
    counters: Counters


class ServerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What `server.json` of a trial holds: readings in the order they were made, the first before any request."""

    family: str
    url: str
    readings: tuple[CounterReading, ...]

    def over(self, window: Window) -> tuple[CounterReading, CounterReading]:
        """The two readings whose difference is what happened in `window`.

        Those inside it that lie farthest apart, so that no request of the warm-up counts; in a window too short for
        that, the last before it and the first after it. There must be one at least.
        """
        inside = [reading for reading in self.readings if window.start_ns <= reading.at_ns <= window.end_ns]
        if inside and inside[-1].at_ns - inside[0].at_ns >= COVERED * (window.end_ns - window.start_ns):
            return inside[0], inside[-1]
        before = [reading for reading in self.readings if reading.at_ns < window.start_ns] or self.readings[:1]
        after = [reading for reading in self.readings if reading.at_ns > window.end_ns] or self.readings[-1:]
        return before[-1], after[0]


def read_statistics(folder: Path) -> ServerStatistics | None:
    """The statistics in a trial's folder; None where there are none that can be read."""
    return read_if_whole(folder / FILE, ServerStatistics)
