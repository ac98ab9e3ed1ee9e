"""Runs this project's generator on an exercise, as in any trial, and returns the true and the reported figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from harness.calibration.claims import compare
from harness.calibration.exercise_run import WARMUP_SECONDS, Course
from harness.calibration.reported_values import reported_values, withheld
from harness.calibration.result import OURS, Exercised
from harness.calibration.true_values import Driven, ServerLog, origin_ns, true_values
from harness.errors import RunError
from harness.judge.findings import Verdict
from harness.judge.numbers.trial_rows import trial_rows
from harness.judge.trial_summary import summarise_trial

if TYPE_CHECKING:
    from harness.calibration.claims import Claim, Values
    from harness.calibration.exercise_run import CalibrationJob
    from harness.calibration.exercises import Exercise
    from harness.judge.metrics import TrialMetrics


@dataclass(frozen=True, slots=True)
class Ours:
    """`true` empty: the exercise could not be done, and `exercised` says why."""

    exercised: Exercised
    claims: list[Claim]
    true: Values


def exercise_ours(job: CalibrationJob, exercise: Exercise) -> Ours:
    """Do it. A run that fails is a result like any other."""
    course = Course(job, exercise)
    try:
        (data,) = course.run()
    except RunError as error:
        return Ours(failed(exercise, str(error)), [], {})
    trial = trial_rows(data)
    if trial is None:
        return Ours(failed(exercise, "nothing was measured"), [], {})
    metrics = summarise_trial(data, None).metrics
    origin = origin_ns(trial.window.start_ns, WARMUP_SECONDS)
    driven = Driven(exercise.load, data.trial.seed, origin, trial.window)
    true = true_values(ServerLog.read(course.truth_log), driven)
    hidden = withheld(metrics)
    claims = [
        msgspec.structs.replace(claim, published=claim.figure not in hidden)
        for claim in compare(exercise.name, OURS, exercise.figures, true, reported_values(trial, metrics))
    ]
    return Ours(_exercised(exercise, metrics), claims, true)


def _exercised(exercise: Exercise, metrics: TrialMetrics) -> Exercised:
    doubts = [str(finding.kind) for finding in metrics.findings if finding.verdict is not Verdict.VALID]
    reasons = tuple(dict.fromkeys(doubts))
    return Exercised(name=exercise.name, doc=exercise.doc, verdict=metrics.verdict, reasons=reasons)


def failed(exercise: Exercise, why: str) -> Exercised:
    """An exercise that could not be done."""
    return Exercised(name=exercise.name, doc=exercise.doc, verdict=None, failure=why)
