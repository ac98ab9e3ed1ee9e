"""What a point gives while memory is fast, where others on the host slowed it in its fresh trials.

Such neighbours come and go within minutes. A figure of a few minutes holds for these; a reader takes it for more.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from harness.judge.checks.machine import SLOW_MEMORY
from harness.judge.checks.point import counted_trials
from harness.judge.decision.decision import TAIL
from harness.judge.stats.distributions import student_t_quantile
from harness.plan.plan import TrialKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness.judge.interval import Interval
    from harness.judge.metrics import PointMetrics
    from harness.plan.plan import Plan

WORTH_A_WORD = 0.02  # share by which the high end rises


def with_fast_memory(plan: Plan, best: PointMetrics, measured: Interval) -> Interval:
    """`measured`, the figure of the fresh trials of `best`, with a high end that holds what fast memory would give.

    That is the figure moved along the regression line that `slow_memory` has found, from the mean access of the fresh
    trials to the fastest of all. The errors of the line and of the figure add as independent ones do.
    """
    memory = next((each.data for each in best.findings if each.kind == SLOW_MEMORY.name), None)
    fresh = {trial.number for trial in plan.trials if trial.kind is TrialKind.CONFIRM}
    accesses_ns = [trial.usage.memory_access_ns for trial in counted_trials(best.trials) if trial.trial in fresh]
    logs = np.log([each for each in accesses_ns if each])
    if memory is None or not logs.size or measured.high is None:
        return measured
    distance = float(logs.mean()) - math.log(memory["fastest_ns"])
    line = student_t_quantile(1.0 - TAIL, memory["freedom"]) * memory["error"] * distance
    reach = math.hypot(math.log(measured.high / measured.value), line)
    fast = measured.value * math.exp(reach - memory["slope"] * distance)
    return msgspec.structs.replace(measured, high=max(measured.high, fast))


def fast_memory_sentence(published: Interval, measured: Interval) -> Iterator[str]:
    """Why the published interval is wider than the measured one, where it clearly is."""
    if published.half_width > measured.half_width + WORTH_A_WORD:
        yield "The interval reaches to what it gives while they do not."
