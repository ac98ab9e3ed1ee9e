"""One exercise as a run of its own: a plan, a run directory like any other, and the server's log beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness import __version__
from harness.calibration.exercises import FIXED
from harness.clock import wall_time
from harness.errors import RunError
from harness.measure.target.session import open_session
from harness.measure.trial import TrialJob, run_trial
from harness.plan.load_settings import LoadSettings
from harness.plan.plan import Plan, Point, Trial
from harness.record.run_dir import RunDir, RunRecord
from harness.run.events import TrialStarted, progress_events
from harness.system.cpu_cores import plan_isolation

if TYPE_CHECKING:
    from pathlib import Path

    from harness.calibration.exercises import Exercise
    from harness.calibration.peers import Peer
    from harness.measure.forks.fork_server import TrialForks
    from harness.record.machine.environment import Environment
    from harness.record.trial_data import TrialData
    from harness.run.events import Listener
    from harness.system.cpu_cores import Isolation

MODEL = "digits-mlp"
WARMUP_SECONDS = 0.5
TRUTH_LOG = "truth.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationJob:
    """What is to be done, where it is kept, and what is notified of progress."""

    out: Path
    quick: bool
    only: tuple[str, ...]  # names of exercises; all of them where empty
    peers: tuple[Peer, ...]
    scenario: str
    environment: Environment
    command_line: str
    listener: Listener
    isolation: Isolation = field(default_factory=plan_isolation)
    forks: TrialForks | None = None  # of the trials' processes


class Course:
    """The exercise's own run directory in `job.out`, and its trials."""

    def __init__(self, job: CalibrationJob, exercise: Exercise) -> None:
        self.exercise = exercise
        self.path = job.out / exercise.name
        self.truth_log = self.path / TRUTH_LOG
        self.plan = exercise_plan(job, exercise, self.truth_log)
        self._job = job

    def run(self) -> list[TrialData]:
        """Drive the server with every load in turn. Raises RunError where a trial does not end in order."""
        job = self._job
        folder = RunDir.create(self.path)
        folder.write(
            RunRecord(
                plan=self.plan,
                command_line=job.command_line,
                started_at=wall_time().isoformat(timespec="seconds"),
                harness_version=__version__,
                environment=job.environment,
                isolation=job.isolation.text,
                isolated=job.isolation.isolated,
            )
        )
        session = open_session(self.plan, job.isolation, progress_events(job.listener))
        measured = []
        try:
            for trial in self.plan.trials:
                point = self.plan.point(trial.point)
                trial_dir = folder.trial(trial, point)
                job.listener(TrialStarted(f"{self.exercise.name}: {self.exercise.doc}"))
                record = run_trial(
                    TrialJob(self.plan, trial, point, session, job.isolation, trial_dir, forks=job.forks)
                )
                if record.failure:
                    raise RunError(record.failure)
                measured.append(trial_dir.data(self.plan, trial, point))
        finally:
            session.close()  # which has the server write the rest of its log
        return measured


def exercise_plan(job: CalibrationJob, exercise: Exercise, log: Path) -> Plan:
    """One trial for each load; a `fixed` server writes what it did to `log`."""
    logged = {"log_path": str(log.resolve())} if exercise.target == FIXED else {}
    points = tuple(Point(number=number, setting={}, arrivals=load) for number, load in enumerate(exercise.loads))
    return Plan(
        name=f"calibrate-{exercise.name}",
        target=exercise.target,
        scenario=job.scenario,
        model=MODEL,
        points=points,
        trials=tuple(Trial(number=point.number, point=point.number, repeat=0, seed=point.number) for point in points),
        fixed={**exercise.setting, **logged},
        load=LoadSettings(
            warmup_s=WARMUP_SECONDS,
            measure_s=exercise.lasting(quick=job.quick),
            timeout_s=exercise.timeout_seconds,
        ),
        repeats=1,
        seed=0,
    )
