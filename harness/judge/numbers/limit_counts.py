"""How many requests of one trial broke each bound of the objective."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.clock import NS_PER_MS
from harness.judge.metrics import LimitCount
from harness.judge.slo_check import MOST_FAILED, QUANTILES
from harness.judge.stats.dependence import dependence

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from harness.judge.metrics import Counts
    from harness.judge.stats.durations import Durations
    from harness.plan.slo import Slo

FAILED = "errors"


def limit_counts(slo: Slo, durations: Mapping[str, Durations], counts: Counts) -> Iterator[LimitCount]:
    """One count for each bound of a percentile, and one of the requests that failed."""
    allowed = next((bound.limit for bound in slo.bounds if bound.metric == FAILED), MOST_FAILED)
    yield LimitCount(bound=FAILED, allowed=allowed, broken=counts.failed, total=counts.scheduled)
    for bound in slo.bounds:
        kind, _, statistic = bound.metric.rpartition("_")
        measured = durations.get(kind or "response")
        if statistic not in QUANTILES or measured is None:
            continue
        slow = measured.slower_than(bound.limit * NS_PER_MS)
        yield LimitCount(
            bound=bound.metric,
            allowed=1.0 - QUANTILES[statistic],
            broken=slow.seen,
            total=slow.rows,
            dependence=dependence([slow]),
        )
