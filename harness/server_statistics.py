"""What a server that is not ours says of its own work: read before and after each trial, and taken apart.

Counters only grow, so a trial's share is the difference of two readings. Where a server gives a sum and a count, the
mean per request (or per batch, where it counts those) is difference by difference.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

Readings = dict[str, float]  # value by name of a sample, labels added up


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


class ServerStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What `server.json` of a trial holds: the readings before and after it, warm-up included."""

    family: str
    url: str
    before: Readings
    after: Readings


class ServerMeans(NamedTuple):
    """Means over one trial, in milliseconds; None where the server did not say, or did nothing."""

    source: str
    parts_ms: dict[str, float]
    mean_batch: float | None


def means_of(statistics: ServerStatistics) -> ServerMeans | None:
    """The trial's own share of the readings; None for a family that this version does not know."""
    family = next((each for each in (TRITON_STATISTICS, *FAMILIES) if each.name == statistics.family), None)
    if family is None:
        return None
    parts_ms = {part.name: mean for part in family.parts if (mean := _mean_ms(statistics, part)) is not None}
    return ServerMeans(family.name, parts_ms, _ratio(statistics, family.batched, family.batches))


def _mean_ms(statistics: ServerStatistics, part: Part) -> float | None:
    growths = [growth for name in part.totals if (growth := _growth(statistics, name)) is not None]
    count = _growth(statistics, part.per)
    return part.to_ms * sum(growths) / count if growths and count else None


def _ratio(statistics: ServerStatistics, above: str, below: str) -> float | None:
    over, under = _growth(statistics, above), _growth(statistics, below)
    return over / under if over and under else None


def _growth(statistics: ServerStatistics, name: str) -> float | None:
    """None where it was not read both times, or fell: then the server was started again in between."""
    before, after = statistics.before.get(name, 0.0), statistics.after.get(name)
    return after - before if after is not None and after >= before else None
