"""A run as the code that measures it sees it: plan, folder, target, and who is called with its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.judge.answers.precision import with_precision
from harness.judge.point_summary import summarise_point

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.cpu_cores import Isolation
    from harness.judge.metrics import PointMetrics
    from harness.judge.trial_summary import TrialSummaries
    from harness.measure.target.session import Session
    from harness.plan.plan import Plan, Point
    from harness.record.run_dir import RunDir
    from harness.run.events import Listener


@dataclass(frozen=True, slots=True)
class RunJob:
    """What to run, where to store it, and what to call with events and finished points."""

    plan: Plan
    run_dir: RunDir
    session: Session
    isolation: Isolation
    listener: Listener
    on_point: Callable[[PointMetrics], None]  # called once a point has had its last repeat
    summaries: TrialSummaries  # of the trials that have ended


def point_metrics(job: RunJob, point: Point) -> PointMetrics:
    """The point's numbers over the trials that it has had (at least one)."""
    metrics = summarise_point(point, job.summaries.of_point(job.plan, point.number), job.plan.slo)
    return with_precision([metrics], job.plan)[0]
