"""A whole calibration: every exercise by our own generator and, where asked, by others; then the envelope."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from harness.calibration.envelope_fit import envelope_of
from harness.calibration.exercise_run import Course
from harness.calibration.exercises import FIXED, NULL, chosen
from harness.calibration.our_claims import exercise_ours, failed
from harness.calibration.peer_claims import can_do, exercise_peer
from harness.calibration.result import Calibration, Exercised
from harness.errors import RunError, UserError
from harness.measure.forks.fork_server import trial_forks
from harness.run.events import RunStarted, TrialEnded, TrialStarted

if TYPE_CHECKING:
    from harness.calibration.claims import Claim
    from harness.calibration.exercise_run import CalibrationJob
    from harness.calibration.exercises import Exercise
    from harness.calibration.peers import Peer
    from harness.record.machine.envelope import Envelope


def calibrate(job: CalibrationJob) -> Calibration:
    """Run everything. What fails is recorded, and the next thing is run; an interrupt ends it with what there is."""
    exercises = chosen(quick=job.quick, only=job.only)
    fixed = [exercise for exercise in exercises if exercise.target == FIXED]
    idle = [exercise for exercise in exercises if exercise.target == NULL]
    peer_runs = sum(can_do(peer, exercise) for peer in job.peers for exercise in fixed)
    job.listener(RunStarted(len(fixed) + peer_runs + sum(len(exercise.loads) for exercise in idle)))
    found = _Found()
    interrupted = False
    try:
        with trial_forks(job.isolation) as forks:
            job = replace(job, forks=forks)
            for exercise in fixed:
                _exercise(job, exercise, found)
            for exercise in idle:
                _envelope(job, exercise, found)
    except KeyboardInterrupt:
        interrupted = True
    return Calibration(
        exercises=tuple(found.steps),
        claims=tuple(found.claims),
        envelope=found.envelope,
        peers=tuple(peer.name for peer in job.peers),
        complaints=tuple(found.complaints),
        interrupted=interrupted,
    )


@dataclass(slots=True)
class _Found:
    """What there is so far."""

    steps: list[Exercised] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    envelope: Envelope | None = None


# What was found is kept before it is shown: an interrupt may come meanwhile.


def _exercise(job: CalibrationJob, exercise: Exercise, found: _Found) -> None:
    ours = exercise_ours(job, exercise)
    found.steps.append(ours.exercised)
    found.claims.extend(ours.claims)
    job.listener(TrialEnded(exercise.name, ours.exercised.failure or _outcome(ours.claims)))
    for peer in job.peers:
        if ours.true and can_do(peer, exercise):
            try:
                _beside(job, exercise, peer, ours.true, found)
            except (RunError, UserError) as error:
                found.complaints.append(f"{exercise.name}, {peer.name}: {error}")


def _beside(job: CalibrationJob, exercise: Exercise, peer: Peer, true: dict[str, float | None], found: _Found) -> None:
    name = f"{exercise.name}, {peer.name}"
    job.listener(TrialStarted(name))
    outcome = "failed"
    try:
        claims = exercise_peer(job, exercise, peer, true)
        found.claims.extend(claims)
        outcome = _outcome(claims)
    finally:
        job.listener(TrialEnded(name, outcome))


def _envelope(job: CalibrationJob, exercise: Exercise, found: _Found) -> None:
    try:
        trials = Course(job, exercise).run()
        found.envelope = envelope_of(trials, job.environment.fingerprint)
    except RunError as error:
        outcome = str(error)
        found.steps.append(failed(exercise, outcome))
    else:
        outcome = f"{found.envelope.greatest_rps:,.0f} requests/s at most"
        found.steps.append(Exercised(name=exercise.name, doc=exercise.doc))
    job.listener(TrialEnded(exercise.name, outcome, trials=len(exercise.loads)))


def _outcome(claims: list[Claim]) -> str:
    wrong = [claim.figure for claim in claims if claim.right is False]
    return f"wrong: {', '.join(wrong)}" if wrong else "right"
