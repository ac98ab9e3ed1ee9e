"""The answer where no number of replicas can be named, and why."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from harness.judge.conclusions.grid_recommendation import cause_of_invalid
from harness.judge.findings import Verdict
from harness.judge.number_text import milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.judge.replicas.replica_model import TailRange
    from harness.judge.run_result import RunResult
    from harness.plan.slo import Bound


class NoReplicaPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is none, in sentences. never: it is sure that none keeps the limit; else it cannot be said."""

    reason: str
    never: bool = False


def nothing_usable(result: RunResult) -> NoReplicaPlan:
    """No setting of the run has points from which others of them can be predicted."""
    invalid = sum(point.verdict is Verdict.INVALID for point in result.points)
    if invalid == len(result.points):
        cause = cause_of_invalid(result.points)
        return NoReplicaPlan(reason=f"Every point is INVALID: {cause[0] if cause else 'nothing was measured'}")
    return NoReplicaPlan(
        reason="The run has no setting whose points check each other: three numbers of users or three rates of Poisson "
        "arrivals, one replica; `sweep concurrency=1,8,32,128` makes such a run. "
        f"{invalid} of {len(result.points)} points are INVALID."
    )


def too_noisy(off_rate: float, off_tail: float, points: int) -> NoReplicaPlan:
    """The points are predicted badly: median errors as natural logarithms, of throughput and of the percentile."""
    return NoReplicaPlan(
        reason=f"The run is too noisy: points predicted from the others are off by {100 * math.expm1(off_rate):.0f} % "
        f"in throughput and {100 * math.expm1(off_tail):.0f} % in the percentile (medians of {points}). Measure "
        "longer, or on a quieter machine."
    )


def none_keeps(bound: Bound, tails: Sequence[TailRange], *, lowest: bool) -> NoReplicaPlan:
    """No number of replicas keeps the limit for sure.

    tails: the lowest percentile of each setting. lowest: whether fewer requests cannot make them lower still.
    """
    best = min(tails, key=lambda tail: tail.low_ms)
    if lowest and best.low_ms > bound.limit:
        text = f"No setting that can be predicted keeps {bound}, however many replicas share the rate"
        return NoReplicaPlan(reason=f"{text}: {bound.metric} is {milliseconds(best.low_ms)} at least.", never=True)
    text = f"No setting keeps {bound} for sure: at the lowest load that can be predicted, {bound.metric} is"
    return NoReplicaPlan(reason=f"{text} {best.text}. Measure longer, and lower rates or fewer users.")
