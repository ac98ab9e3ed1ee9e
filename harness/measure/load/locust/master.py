"""The role of the process that has the target: the only process of a load, or the master of its workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from locust.stats import CSV_STATS_INTERVAL_SEC

from harness.clock import NS_PER_MS, monotonic_ns
from harness.errors import ExitCode, SweepspotError
from harness.measure.load.load_generator import make_folder
from harness.measure.load.locust.load_run import INTERRUPT_DRAIN_S
from harness.measure.load.locust.options import trial_load
from harness.measure.load.locust.resolve_target import ResolvedTarget, resolve_target
from harness.measure.load.locust.role import Role
from harness.measure.load.locust.run_by_hand import RunByHand, subject_of
from harness.measure.load.locust.workers.file_transfer import SHARD, keep_shard
from harness.measure.load.locust.workers.master_questions import KnownWorkers
from harness.measure.load.locust.workers.worker_barrier import ENDED, Barrier, Orders, kill_frozen_children
from harness.plan.arrivals import Closed
from harness.system.control_channel import ControlChannel
from harness.wire.credentials import require_token_host

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.plan.load_settings import TrialLoad

WATCH_INTERVAL_S = 0.1
START_DELAY_NS = {True: 300 * NS_PER_MS, False: 3000 * NS_PER_MS}  # by whether all workers are on this machine


class Principal(Role):
    """The one process of a run that starts the target and obeys the parent process."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.resolved = ResolvedTarget(None, {})
        self._kept: list[RunByHand] = []  # none where the harness or `--trial-dir` names the folder of the rows
        self._dir = ""  # of the rows of the latest test
        self._tests = 0
        self._token_hosts: tuple[str, ...] = ()  # of the command line or the scenario; empty before they are known

    def prepare(self) -> None:
        """Check the settings and settle the target. Ends the process where that fails."""
        try:
            load = self._load()
            if self._options.control_fd is not None:
                channel = ControlChannel.inherited(self._options.control_fd)
                channel.watch(self._on_message, lambda: self.stop("the parent process has ended"))
            self.resolved = resolve_target(self._environment, load)
            self._token_hosts = (self._environment.host or "",)
        except SweepspotError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(int(error.exit_code))

    def on_quit_announced(self) -> None:
        """Runs first when the process ends: a test that still runs was ended by a signal."""
        self._reason = self._reason or "SIGTERM"

    def keep(self) -> None:
        """Write the record of a test that has ended, once its users have stopped: this holds up the event loop."""
        if self._kept:
            self._kept[-1].end()

    def on_quitting(self) -> None:
        """Runs last: keep the run, stop the target, and leave complete CSV files of Locust."""
        super().on_quitting()
        self.keep()
        if self._dir:  # to standard error: standard output may be JSON (--json)
            made = "".join(f"; the report: python -m harness report {run.shown_path}" for run in self._kept)
            print(f"rows: {self._dir}{made}", file=sys.stderr)
        if self._options.csv_prefix:
            gevent.sleep(CSV_STATS_INTERVAL_SEC + 0.2)  # Locust closes them without their last line
        if self.resolved.process is not None:
            self.resolved.process.stop()

    def _load(self) -> TrialLoad:
        """The settings of the next test. Raises UserError, also where a page asks for a host that gets no token."""
        if self._token_hosts:
            require_token_host(self._environment.host or "", self._token_hosts)
        return msgspec.structs.replace(trial_load(self._environment), **self.resolved.settings)

    def _load_or_fail(self) -> TrialLoad | None:
        """The settings of a test that begins now; None where they cannot be used, which ends the test."""
        try:
            load = self._load()
            self._dir = self._new_folder(load)
        except SweepspotError as error:
            self.fail(error)
            self.begun.set()
            return None
        return msgspec.structs.replace(load, trial_dir=self._dir)

    def _new_folder(self, load: TrialLoad) -> str:
        """The folder of the rows of a test that begins now. Raises UserError."""
        options, number = self._options, self._tests
        self._tests += 1
        if options.settings or options.trial_dir:
            given = str(Path(load.trial_dir or options.trial_dir).resolve())
            return f"{given}-{number}" if number else given
        if not self._kept or self._kept[-1].subject != subject_of(self._environment):
            here = self._environment.host in self._token_hosts  # a page may name another server
            isolation = self.resolved.isolation if here else None
            further = bool(self._kept)
            run = RunByHand(self._environment, load, isolation, self._processes(), further=further)
            self._kept.append(run)
        return self._kept[-1].begin(load)

    def _processes(self) -> int:
        """How many processes send requests."""
        return 1

    def _on_message(self, message: dict[str, Any]) -> None:
        if message.get("stop"):
            self.stop("stopped by the parent process")


class Local(Principal):
    """The only process of a load."""

    def on_test_start(self) -> None:
        """Begin at once."""
        super().on_test_start()
        if (load := self._load_or_fail()) is not None:
            self._begin(Orders(load=load))


class Master(Principal):
    """Sends no requests itself: it starts the workers' loads and waits until they have handed over their results."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._barrier = Barrier(environment.runner)
        self._workers = KnownWorkers(environment.runner)
        self._runner.register_message(ENDED, self._on_ended)
        self._runner.register_message(SHARD, self._on_shard)
        self._timeout_s = 0.0
        self._watch: gevent.Greenlet | None = None

    def on_test_start(self) -> None:
        """Put the workers' orders into the options, which Locust sends to the workers with the users."""
        super().on_test_start()
        load = self._load_or_fail()
        if load is None:
            return
        self._timeout_s = load.timeout_s
        self._barrier.reset()
        make_folder(Path(self._dir))
        self._workers.offer(load.files)
        origin_ns = monotonic_ns() + START_DELAY_NS[self._workers.on_this_machine]
        self._options.sweepspot_orders = self._barrier.orders(
            load, origin_ns=None if isinstance(load.arrivals, Closed) else origin_ns
        )
        if self._watch is not None:
            self._watch.kill()
        self._watch = gevent.spawn(self._await_workers)

    def on_test_stopping(self) -> None:
        """Wait until every live worker has drained and reported, which Locust itself does not."""
        drain_s = INTERRUPT_DRAIN_S if self._reason and self._reason != "measured" else None
        self._barrier.end_workers(self._reason or self._stop_reason(), drain_s, self._timeout_s)
        if self._barrier.lost:
            self._environment.process_exit_code = int(ExitCode.RUN_FAILED)

    def on_quitting(self) -> None:
        """Runs last."""
        if self._watch is not None:
            self._watch.kill()
        super().on_quitting()
        kill_frozen_children()

    def _processes(self) -> int:
        return int(self._runner.worker_count)

    def _on_ended(self, environment: Environment, msg: Any, **_: Any) -> None:
        del environment
        self._barrier.ended(msg.node_id)

    def _on_shard(self, environment: Environment, msg: Any, **_: Any) -> None:
        del environment
        suffix = self._barrier.suffix_of(msg.node_id)
        if suffix is not None:
            keep_shard(Path(self._dir), msg.data, suffix)

    def _await_workers(self) -> None:
        """End the test once all live workers have ended; a lost worker must not delay it."""
        while not (self._barrier.all_ended() and (self._barrier.any_ended or self._barrier.lost)):
            gevent.sleep(WATCH_INTERVAL_S)
        self.stop("measured")
