"""Dynamic batching without I/O: a bounded queue, and policies that decide how long an incomplete batch waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from targets.batching.fixed import FixedPolicy
from targets.batching.greedy import GreedyPolicy
from targets.batching.slo import SloPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from harness.plan.knobs import Value
    from targets.batching.policy import BatchPolicy

POLICIES: dict[str, Callable[[Mapping[str, Value]], BatchPolicy]] = {
    "greedy": lambda setting: GreedyPolicy(),  # noqa: ARG005  (every policy is made from the setting)
    "fixed": lambda setting: FixedPolicy(batch_wait_ms=float(setting["batch_wait_ms"])),
    "slo": lambda setting: SloPolicy(slo_ms=float(setting["slo_ms"])),
}


def make_policy(setting: Mapping[str, Value]) -> BatchPolicy:
    """Make the policy that the knob `batch_policy` names."""
    return POLICIES[str(setting["batch_policy"])](setting)
