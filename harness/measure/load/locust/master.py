"""The role of the process that has the target: the only process of a load, or the master of its workers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from locust.stats import CSV_STATS_INTERVAL_SEC

from harness.child_process import ControlChannel
from harness.clock import NS_PER_MS, monotonic_ns
from harness.errors import ExitCode, SweepspotError
from harness.measure.load.load_generator import make_folder
from harness.measure.load.locust.load_run import INTERRUPT_DRAIN_S
from harness.measure.load.locust.options import trial_load
from harness.measure.load.locust.own_target import ResolvedTarget, resolve_target
from harness.measure.load.locust.role import Role
from harness.measure.load.locust.workers.file_transfer import SHARD, keep_shard
from harness.measure.load.locust.workers.master_questions import KnownWorkers
from harness.measure.load.locust.workers.worker_barrier import ENDED, Barrier, Orders, kill_frozen_children
from harness.plan.arrivals import Closed
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

    def on_quitting(self) -> None:
        """Runs last: stop the target, and leave complete CSV files of Locust."""
        super().on_quitting()
        if self._options.csv_prefix:
            gevent.sleep(CSV_STATS_INTERVAL_SEC + 0.2)  # Locust closes them without their last line
        if self.resolved.process is not None:
            self.resolved.process.stop()

    def _load(self, trial_dir: str = "") -> TrialLoad:
        """The settings of the next test. Raises UserError, also where a page asks for a host that gets no token."""
        if self._token_hosts:
            require_token_host(self._environment.host or "", self._token_hosts)
        return msgspec.structs.replace(trial_load(self._environment, trial_dir), **self.resolved.settings)

    def _load_or_fail(self) -> TrialLoad | None:
        """The settings of a test that begins now; None where they cannot be used, which ends the test."""
        try:
            return self._load(self._trial_dir())
        except SweepspotError as error:
            self.fail(error)
            self.begun.set()
            return None

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

    def on_quitting(self) -> None:
        """Print where the rows are."""
        super().on_quitting()
        if self.run is not None:
            print(f"rows: {self.run.trial_dir}", file=sys.stderr)  # standard output may be JSON (--json)


class Master(Principal):
    """Sends no requests itself: it starts the workers' loads and waits until they have handed over their results."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._barrier = Barrier(environment.runner)
        self._workers = KnownWorkers(environment.runner)
        self._runner.register_message(ENDED, self._on_ended)
        self._runner.register_message(SHARD, self._on_shard)
        self._dir, self._timeout_s = "", 0.0
        self._watch: gevent.Greenlet | None = None

    def on_test_start(self) -> None:
        """Put the workers' orders into the options, which Locust sends to the workers with the users."""
        super().on_test_start()
        load = self._load_or_fail()
        if load is None:
            return
        load = msgspec.structs.replace(load, trial_dir=str(Path(load.trial_dir).resolve()))
        self._dir, self._timeout_s = load.trial_dir, load.timeout_s
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
        """Print where the rows are."""
        if self._watch is not None:
            self._watch.kill()
        super().on_quitting()
        kill_frozen_children()
        if self._dir:
            print(f"rows: {self._dir}", file=sys.stderr)

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
