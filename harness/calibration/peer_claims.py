"""Runs another load generator on an exercise, against the same server started anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.calibration.claims import compare
from harness.calibration.exercise_run import exercise_plan
from harness.calibration.peers import PACED_USERS, PeerRun
from harness.calibration.true_values import ServerLog, closed_values
from harness.errors import RunError
from harness.measure.target.session import open_session
from harness.plan.arrivals import Closed
from harness.plan.plan import TargetRequest
from harness.run.events import progress_events
from harness.wire.payload_bank import Bank
from harness.wire.protocols import make_codec
from harness.wire.server_url import parse_url

if TYPE_CHECKING:
    from harness.calibration.claims import Claim, Values
    from harness.calibration.exercise_run import CalibrationJob
    from harness.calibration.exercises import Exercise
    from harness.calibration.peers import Peer
    from harness.measure.target.endpoint import Endpoint


def can_do(peer: Peer, exercise: Exercise) -> bool:
    """Whether `peer` can bring the exercise's load."""
    return peer.paced or isinstance(exercise.load, Closed)


def exercise_peer(job: CalibrationJob, exercise: Exercise, peer: Peer, true: Values) -> list[Claim]:
    """Do it. Raises RunError or UserError where the generator does not run.

    In a closed loop the truth is in the server's log of this very run. In an open loop it is what requests that come
    at the exercise's rate go through, `true`, whatever this generator sent; how many it sent is in the log.
    """
    log = job.out / exercise.name / f"{peer.name}.csv"
    plan = exercise_plan(job, exercise, log)
    session = open_session(plan, job.isolation, progress_events(job.listener))
    try:
        endpoint = session.serve(TargetRequest(plan.model, plan.fixed, "v2"), log.with_suffix(".log"))
        run = _peer_run(job, exercise, peer, endpoint)
        said = peer.drive(run, job.isolation.load_cores)
    finally:
        session.close()
    own = closed_values(ServerLog.read(log), run.seconds)
    if not own:
        raise RunError(f"it sent nothing within {run.seconds:g} s")
    truth = own if isinstance(exercise.load, Closed) else {**true, "rows": own.get("rows")}
    return compare(exercise.name, peer.name, exercise.figures, truth, said)


def _peer_run(job: CalibrationJob, exercise: Exercise, peer: Peer, endpoint: Endpoint) -> PeerRun:
    if endpoint.bank is None or endpoint.url is None:
        raise RunError(f"{exercise.target}: it gave no address or no payloads")
    bank = Bank.load(endpoint.bank)
    request = make_codec("v2", parse_url(endpoint.url), bank.meta).encode(bank.inputs[0])
    head, _, body = request.partition(b"\r\n\r\n")
    folder = (job.out / exercise.name / peer.name).resolve()
    folder.mkdir()
    (folder / "body.json").write_bytes(body)
    load = exercise.load
    return PeerRun(
        url=endpoint.url + head.split()[1].decode(),
        body=folder / "body.json",
        seconds=exercise.lasting(quick=job.quick),
        users=load.users if isinstance(load, Closed) else PACED_USERS,
        rate_rps=getattr(load, "rate_rps", None),
        timeout_s=exercise.timeout_seconds,
        folder=folder,
    )
