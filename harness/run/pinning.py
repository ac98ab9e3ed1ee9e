"""Says where a knob asks for more workers than the target has cores, so that its values cannot differ much."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.cpu_cores import Isolation
    from harness.plan.plan import Plan

PARALLEL = ("workers", "processes", "threads", "instances")  # usual names of knobs that use a core each


def too_few_cores(plan: Plan, isolation: Isolation) -> str:
    """A sentence on the first such knob of the plan; empty where there is none."""
    cores = len(isolation.target_cores)
    if not isolation.isolated:
        return ""
    for name in PARALLEL:
        values = [plan.setting_of(point).get(name) for point in plan.points]
        most = max((value for value in values if type(value) is int), default=0)
        if most > cores:
            have = f"{cores} core{'s' * (cores != 1)}"
            return f"{name}={most}: the target has {have}, so more {name} can hardly help; --no-isolate gives it all."
    return ""
