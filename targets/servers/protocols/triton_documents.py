"""Documents for Triton's clients beyond the Open Inference Protocol: model configuration and statistics.

The fields are those of Triton's extensions *model configuration* and *statistics*; durations are in cumulative ns.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.clock import NS_PER_MS, monotonic_ns, wall_time
from targets.servers.protocols.wire_model import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from targets.servers.exposition import Snapshot
    from targets.servers.protocols.wire_model import WireModel


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


def model_statistics(model: WireModel, replicas: Sequence[Snapshot]) -> dict[str, Any]:
    """Triton's `model_stats` for the model, over all its replicas.

    Every request of a batch counts the full durations of the batch.
    """
    ok = sum(each.requests["ok"] for each in replicas)
    failed = sum(sum(each.requests.values()) for each in replicas) - ok
    spent_ns = {name: sum(each.spent_ns[name] for each in replicas) for name in replicas[0].spent_ns}
    calls, compute_ns = Counter[int](), Counter[int]()
    for rows, seen in (batch for each in replicas for batch in each.batches.items()):
        calls[rows] += seen.calls
        compute_ns[rows] += seen.compute_ns
    stats = {"success": {"count": ok, "ns": sum(spent_ns.values())}, "fail": {"count": failed, "ns": 0}}
    stats |= {name: {"count": ok, "ns": ns} for name, ns in spent_ns.items()}
    batches = [
        {"batch_size": rows, "compute_infer": {"count": count, "ns": compute_ns[rows]}}
        for rows, count in sorted(calls.items())
    ]
    return {
        "model_stats": [
            {
                "name": model.name,
                "version": VERSION,
                "last_inference": _wall_ms(max(each.last_inference_ns for each in replicas)),
                "inference_count": sum(rows * count for rows, count in calls.items()),
                "execution_count": calls.total(),
                "inference_stats": stats,
                "batch_stats": batches,
            }
        ]
    }


def _wall_ms(instant_ns: int) -> int:
    if not instant_ns:
        return 0
    return round(wall_time().timestamp() * 1000) - (monotonic_ns() - instant_ns) // NS_PER_MS
