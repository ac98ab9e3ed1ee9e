"""Runs one trial: a load process against a ready target, with the samplers beside it.

It measures and records, and computes nothing: the rows are on disk before they are judged, and are compressed when the
load has ended.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S, MonotonicClock
from harness.errors import RunError, SweepspotError
from harness.measure.load_command import SETTINGS, WORKER_WAIT_S, load_command
from harness.measure.samplers.sampler_process import SamplerProcess
from harness.measure.target.first_requests import prime
from harness.measure.target.statistics_reader import recorded_statistics
from harness.plan.arrivals import Closed
from harness.plan.load_settings import read_trial_load
from harness.record.run_dir import TrialRecord
from harness.system.child_process import ChildProcess
from harness.system.cpu_cores import is_within
from harness.system.ending_signals import how_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.clock import Clock
    from harness.measure.forks.fork_server import TrialForks
    from harness.measure.target.endpoint import Endpoint
    from harness.measure.target.session import Session
    from harness.plan.plan import Plan, Point, Trial
    from harness.record.load_report import Live
    from harness.record.run_dir import TrialDir
    from harness.system.control_channel import ControlChannel
    from harness.system.cpu_cores import Isolation

STARTUP_GRACE_S = 60.0  # Locust, and for an in-process target the deep-learning library, must import first
STOP_GRACE_S = 10.0
POLL_S = 0.05
PRIMED_STREAMS = 16  # at once, before an open loop with a common prefix
LOOK_NS = NS_PER_S
# The last line of the traceback that Locust logs for what nothing has caught.
_UNCAUGHT = re.compile(
    r"(?:Uncaught exception in event handler|Unhandled exception in greenlet)[^\n]*\n"
    r"Traceback [^\n]*\n(?:[ \t][^\n]*\n|\n)*([^\s\[][^\n]*)"
)


@dataclass(frozen=True, slots=True)
class TrialJob:
    """A trial to run, its target, and the folder for its files."""

    plan: Plan
    trial: Trial
    point: Point
    session: Session
    isolation: Isolation
    folder: TrialDir
    watch: Callable[[Live], None] | None = None  # called once a second with the state of the load
    clock: Clock = field(default_factory=MonotonicClock)
    forks: TrialForks | None = None  # start its processes; None: each is a new interpreter

    @property
    def isolated(self) -> bool | None:
        """Whether target and load have cores of their own; None where it is not known which process the target is.

        A server that its command only asks others to start, as docker does, has not got the cores of the command.
        """
        if self.plan.in_process:
            return self.isolation.isolated
        if (pid := self.session.pid) is None:
            return None
        return self.isolation.isolated and is_within(pid, self.isolation.target_cores)


def run_trial(job: TrialJob) -> TrialRecord:
    """Run one trial and write its record, also where the target cannot be started or dies.

    Raises UserError where what the user asks for cannot be run, and KeyboardInterrupt after an orderly stop.
    """
    job.folder.create()
    failure: str | None = None
    exit_code: int | None = None
    endpoint: Endpoint | None = None
    samplers: SamplerProcess | None = None
    isolated: bool | None = None
    interrupted = True
    try:
        endpoint = job.session.serve(job.plan.target_request(job.point), job.folder.target_log)
        isolated = job.isolated
        with (
            recorded_statistics(endpoint.statistics_reader, job.folder.path),
            _load_process(job, endpoint) as load,
            _samplers(job, load.pid) as samplers,
        ):
            failure = load.wait(job.session, job.clock.now_ns() + _longest_ns(job.plan))
            exit_code = load.exit_code
        interrupted = False
    except RunError as error:
        interrupted, failure = False, str(error)
    except SweepspotError as error:
        interrupted, failure = False, str(error)
        raise
    finally:
        record = TrialRecord(
            trial=job.trial,
            point=job.point,
            finished=not interrupted and failure is None,
            failure="interrupted" if interrupted else failure,
            target_died=job.session.died(),
            load_exit_code=exit_code,
            sampler_failure=samplers.failure if samplers else None,
            target_url=endpoint.url if endpoint else None,
            isolated=isolated,
            first_response_s=endpoint.first_response_s if endpoint else None,
        )
        _write(job.folder, record)
    job.folder.to_parquet()
    job.folder.write(record)
    return record


def _write(folder: TrialDir, record: TrialRecord) -> None:
    """Write the record of a trial that has just ended. Raises RunError, which says too how the trial went."""
    try:
        folder.write(record, ended=False)
    except RunError as error:
        raise RunError(f"{record.failure}; {error}" if record.failure else str(error)) from error


def fail_trial(job: TrialJob, failure: str) -> TrialRecord:
    """Write the record of a trial that need not be tried: its setting cannot be started."""
    job.folder.create()
    record = TrialRecord(trial=job.trial, point=job.point, finished=False, failure=failure, isolated=None)
    job.folder.write(record)
    return record


def _longest_ns(plan: Plan) -> int:
    seconds = plan.load.warmup_s + plan.seconds + plan.load.timeout_s + STARTUP_GRACE_S
    seconds += WORKER_WAIT_S if plan.remote_workers else 0.0
    return int(seconds * NS_PER_S)


class LoadProcess:
    """A running `locust` process, its control channel and its log."""

    def __init__(self, process: ChildProcess, control: ControlChannel, job: TrialJob) -> None:
        self._process = process
        self._control = control
        self._job = job
        self._clock = job.clock
        self._next_look_ns = self._clock.now_ns() + LOOK_NS
        self.pid = process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.exit_code

    def wait(self, session: Session, deadline_ns: int) -> str | None:
        """Wait until it ends by itself; None where it succeeded, else what went wrong. Stops it where it must end."""
        while (code := self._process.exit_code) is None:
            if session.died():
                self.stop()
                return "the target died during the trial; see target.log"
            now_ns = self._clock.now_ns()
            if now_ns > deadline_ns:
                self.stop()
                return "the load process did not end in time and was stopped; see load.log"
            self._look(now_ns)
            self._clock.sleep_until_ns(now_ns + int(POLL_S * NS_PER_S))
        # Locust exits with 1 when any request failed: the rows have that.
        if code not in (0, 1):
            words = self._last_log_line(errors_only=code < 0)
            return f"the load process {how_ended(code)}{words and f': {words}'}"
        if not any(self._job.folder.path.glob("load*.json")):
            return f"the load process left no report: {self._last_log_line()}"
        return None

    def _look(self, now_ns: int) -> None:
        if self._job.watch is None or now_ns < self._next_look_ns:
            return
        self._next_look_ns = now_ns + LOOK_NS
        live = self._job.folder.live(now_ns)
        if live is not None:
            self._job.watch(live)

    def stop(self) -> None:
        """Ask it to end, and kill it where it does not."""
        self._control.send({"stop": True})
        self._process.wake()
        if self._process.wait(self._job.plan.load.timeout_s + STOP_GRACE_S) is None:
            self._process.kill()

    def close(self) -> None:
        """Stop it where it still runs, and close log and channel."""
        if self._process.exit_code is None:
            self.stop()
        self._process.close()
        self._control.close()

    def _last_log_line(self, *, errors_only: bool = False) -> str:
        """The last error in the log, else its last line, or nothing with `errors_only`.

        An exception of a listener or greenlet, the locustfile's for example, ends Locust with code 2.
        """
        output = self._process.output().strip()
        lines = output.splitlines()
        uncaught = [f"an uncaught exception, {error}" for error in _UNCAUGHT.findall(output)]
        errors = [line.partition("/ERROR/")[2].partition(": ")[2] for line in lines if "/ERROR/harness" in line]
        others = [""] if errors_only else lines or ["nothing in load.log"]
        return (errors or uncaught or others)[-1]


@contextlib.contextmanager
def _load_process(job: TrialJob, endpoint: Endpoint) -> Iterator[LoadProcess]:
    argv = load_command(job.plan, job.trial, job.point, endpoint, job.folder.path)
    if endpoint.url is not None:
        users = job.point.arrivals.users if isinstance(job.point.arrivals, Closed) else PRIMED_STREAMS
        for url in (endpoint.url, *endpoint.others):
            prime(url, read_trial_load(job.folder.path / SETTINGS), users)
    job.folder.load_log.unlink(missing_ok=True)  # of an earlier attempt
    if job.forks:
        job.forks.await_imports()
    process, control = ChildProcess.with_control(
        argv,
        log=job.folder.load_log,
        cores=job.isolation.load_cores,
        fork=job.forks.load.fork if job.forks else None,
    )
    load = LoadProcess(process, control, job)
    try:
        yield load
    finally:
        load.close()


def _samplers(job: TrialJob, load_pid: int) -> SamplerProcess:
    return SamplerProcess(
        out=job.folder.samples,
        target_pid=job.session.pid,
        load_pid=load_pid,
        cores=job.isolation.load_cores,
        fork=job.forks.samplers.fork if job.forks else None,
    )
