"""What a runner of trials needs of its run: plan, folder, target, and the listener that gets its events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.judge.conclusions.precision import with_precision
from harness.judge.point_summary import summarise_point
from harness.measure.trial import TrialJob
from harness.plan.plan import Point
from harness.run.trial_events import live_reporter, point_text, trial_started

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.judge.metrics import PointMetrics
    from harness.judge.trial_summary import TrialSummaries, TrialSummary
    from harness.measure.forks.fork_server import TrialForks
    from harness.measure.target.session import Session
    from harness.plan.arrivals import Arrivals
    from harness.plan.knobs import Setting
    from harness.plan.plan import Plan, Trial
    from harness.record.run_dir import RunDir, TrialDir, TrialRecord
    from harness.run.events import Listener
    from harness.system.cpu_cores import Isolation

    RunTrial = Callable[[TrialJob], TrialRecord]


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
    forks: TrialForks | None = None  # of the trials' processes
    beside_s: float = 0.0  # of a budget: what passed before the first trial, and what follows the last one

    def folder(self, trial: Trial) -> TrialDir:
        """The folder of a trial of the plan."""
        return self.run_dir.trial(trial, self.plan.point(trial.point))


def measure(
    job: RunJob, trial: Trial, run: RunTrial, *, name: str = "", later_s: float | None = None
) -> tuple[TrialRecord, TrialSummary]:
    """Announce a trial, run it by `run` for as long as it shall take, and read its rows.

    name: in progress, by default that of its point. later_s: what the trials after it take, None: not known.
    """
    point = job.plan.point(trial.point)
    name = name or point_text(point)
    load = msgspec.structs.replace(job.plan.load, measure_s=trial.seconds or job.plan.seconds)
    plan = msgspec.structs.replace(job.plan, load=load)
    job.listener(trial_started(plan, name))
    watch = live_reporter(job.listener, plan, name, later_s)
    record = run(TrialJob(plan, trial, point, job.session, job.isolation, job.folder(trial), watch, forks=job.forks))
    return record, job.summaries.read(job.plan, trial)


def point_metrics(job: RunJob, point: Point) -> PointMetrics:
    """The point's numbers over the trials that it has had (at least one)."""
    metrics = summarise_point(point, job.summaries.of_point(job.plan, point.number), job.plan.slo)
    return with_precision([metrics], job.plan)[0]


def point_at(plan: Plan, setting: Setting, arrivals: Arrivals) -> Point:
    """The plan's point of that setting and load, or a new one with the next number."""
    known = (point for point in plan.points if point.setting == setting and point.arrivals == arrivals)
    return next(known, Point(number=len(plan.points), setting=setting, arrivals=arrivals))


def longer_plan(plan: Plan, trial: Trial, point: Point) -> Plan:
    """The plan with one trial more, of a point that it has or of a new one. Points before the first trial go."""
    points = plan.points if point in plan.points else (*(plan.points if plan.trials else ()), point)
    number = len(plan.trials)
    added = msgspec.structs.replace(
        trial,
        number=number,
        point=point.number,
        repeat=sum(each.point == point.number for each in plan.trials),
        seed=plan.seed * 7919 + number,
    )
    return msgspec.structs.replace(plan, points=points, trials=(*plan.trials, added))
