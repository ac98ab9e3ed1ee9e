"""Documents for Triton's clients beyond the Open Inference Protocol: model configuration and statistics.

The fields are those of Triton's extensions *model configuration* and *statistics*; durations are in cumulative ns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.clock import NS_PER_MS, monotonic_ns, wall_time
from targets.servers.protocols.wire_model import VERSION

if TYPE_CHECKING:
    from targets.servers.protocols.wire_model import WireModel
    from targets.servers.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Batching:
    """The batching of a model: max batch size and max queue delay."""

    max_rows: int
    max_wait_us: int = 0


def model_config(model: WireModel, batching: Batching) -> dict[str, Any]:
    """Triton's `ModelConfig` as a JSON object; dims do not include the batch axis."""
    meta = model.meta
    return {
        "name": meta.model,
        "platform": model.platform,
        "backend": "keras",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": batching.max_rows,
        "input": [{"name": meta.input_name, "data_type": f"TYPE_{meta.datatype}", "dims": list(meta.input_shape)}],
        "output": [{"name": meta.output_name, "data_type": "TYPE_FP32", "dims": list(meta.output_shape)}],
        "dynamic_batching": {"max_queue_delay_microseconds": batching.max_wait_us},
        "instance_group": [{"name": meta.model, "kind": "KIND_CPU", "count": 1}],
    }


def model_statistics(model: WireModel, telemetry: Telemetry) -> dict[str, Any]:
    """Triton's `model_stats` for the model. Every request of a batch counts the full durations of the batch."""
    requests, spent_ns = telemetry.requests, telemetry.spent_ns
    ok = requests["ok"]
    failed = sum(requests.values()) - ok
    stats = {"success": {"count": ok, "ns": sum(spent_ns.values())}, "fail": {"count": failed, "ns": 0}}
    stats |= {name: {"count": ok, "ns": ns} for name, ns in spent_ns.items()}
    batches = [
        {"batch_size": rows, "compute_infer": {"count": seen.calls, "ns": seen.compute_ns}}
        for rows, seen in sorted(telemetry.batches.items())
    ]
    return {
        "model_stats": [
            {
                "name": model.name,
                "version": VERSION,
                "last_inference": _wall_ms(telemetry.last_inference_ns),
                "inference_count": sum(rows * seen.calls for rows, seen in telemetry.batches.items()),
                "execution_count": sum(seen.calls for seen in telemetry.batches.values()),
                "inference_stats": stats,
                "batch_stats": batches,
            }
        ]
    }


def _wall_ms(instant_ns: int) -> int:
    if not instant_ns:
        return 0
    return round(wall_time().timestamp() * 1000) - (monotonic_ns() - instant_ns) // NS_PER_MS
