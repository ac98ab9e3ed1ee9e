"""Which part a process plays in a test, and what Locust's events mean to it.

*Local*: alone. *Master*: sends nothing itself, tells the workers what to do and waits for their last results.
*Worker*: like local, but starts and ends when the master says so. Importing this registers the listeners.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from locust import events
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import CSV_STATS_INTERVAL_SEC

from harness.child_process import ControlChannel
from harness.clock import NS_PER_MS, monotonic_ns
from harness.errors import ExitCode, SweepspotError
from harness.measure.load.generator import make_folder
from harness.measure.load.locust.file_transfer import SHARD, keep_shard
from harness.measure.load.locust.load_run import INTERRUPT_DRAIN_S
from harness.measure.load.locust.master_questions import WorkersKnown
from harness.measure.load.locust.options import remember_token_file, trial_load
from harness.measure.load.locust.own_target import ResolvedTarget, resolve_target
from harness.measure.load.locust.page_guard import guard_page
from harness.measure.load.locust.pairing import secure_sockets
from harness.measure.load.locust.role import BEGIN_LIMIT_S, Role
from harness.measure.load.locust.worker import Worker
from harness.measure.load.locust.worker_barrier import ENDED, Barrier, Orders, kill_frozen_children
from harness.plan.arrivals import Closed
from harness.wire.credentials import require_token_host

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.measure.load.locust.load_run import LoadRun
    from harness.plan.load_settings import TrialLoad

WATCH_INTERVAL_S = 0.1
START_DELAY_NS = {True: 300 * NS_PER_MS, False: 3000 * NS_PER_MS}  # for workers all here, or elsewhere


class Principal(Role):
    """Local or master: the one process of a run that has the target and listens to the parent."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.resolved = ResolvedTarget(None, {})
        self._token_hosts: tuple[str, ...] = ()  # of the command line or the scenario; empty before they are known

    def prepare(self) -> None:
        """Check the options and settle the target; ends the process where that fails."""
        try:
            load = self._load()
            if self._options.control_fd is not None:
                channel = ControlChannel.inherited(self._options.control_fd)
                channel.watch(self._on_message, lambda: self.stop("the parent is gone"))
            self.resolved = resolve_target(self._environment, load)
            self._token_hosts = (self._environment.host or "",)
        except SweepspotError as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(int(error.exit_code))

    def on_quit_announced(self) -> None:
        """The first that happens when the process ends: a test that still runs was ended by a signal."""
        self._reason = self._reason or "SIGTERM"

    def on_quitting(self) -> None:
        """The last that happens: no target is left behind, and Locust's CSV files are complete."""
        super().on_quitting()
        if self._options.csv_prefix:
            gevent.sleep(CSV_STATS_INTERVAL_SEC + 0.2)  # Locust closes them without a last line
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
            self.stop("told to stop")


class Local(Principal):
    """The only process."""

    def on_test_start(self) -> None:
        """Begin at once."""
        if (load := self._load_or_fail()) is not None:
            self._begin(Orders(load=load))

    def on_quitting(self) -> None:
        """Say where the rows are."""
        super().on_quitting()
        if self.run is not None:
            print(f"rows: {self.run.trial_dir}")


class Master(Principal):
    """Tells the workers, and waits for them."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._barrier = Barrier(environment.runner)
        self._workers = WorkersKnown(environment.runner)
        self._runner.register_message(ENDED, self._on_ended)
        self._runner.register_message(SHARD, self._on_shard)
        self._dir, self._timeout_s = "", 0.0
        self._watch: gevent.Greenlet | None = None

    def on_test_start(self) -> None:
        """Put the workers' orders where Locust sends them along with the users."""
        load = self._load_or_fail()
        if load is None:
            return
        load = msgspec.structs.replace(load, trial_dir=str(Path(load.trial_dir).resolve()))
        self._dir, self._timeout_s = load.trial_dir, load.timeout_s
        self._barrier.reset()
        make_folder(Path(self._dir))
        self._workers.offer(load.files)
        origin_ns = monotonic_ns() + START_DELAY_NS[self._workers.all_here]
        self._options.sweepspot_orders = self._barrier.orders(
            load, origin_ns=None if isinstance(load.arrivals, Closed) else origin_ns
        )
        if self._watch is not None:
            self._watch.kill()
        self._watch = gevent.spawn(self._await_workers)

    def on_test_stopping(self) -> None:
        """Wait until every worker that lives has drained and reported: Locust itself would not."""
        drain_s = INTERRUPT_DRAIN_S if self._reason and self._reason != "measured" else None
        self._barrier.end_workers(self._reason or self._stop_reason(), drain_s, self._timeout_s)
        if self._barrier.lost:
            self._environment.process_exit_code = int(ExitCode.RUN_FAILED)

    def on_quitting(self) -> None:
        """Say where the rows are."""
        if self._watch is not None:
            self._watch.kill()
        super().on_quitting()
        kill_frozen_children()
        if self._dir:
            print(f"rows: {self._dir}")

    def _on_ended(self, environment: Environment, msg: Any, **_: Any) -> None:
        del environment
        self._barrier.ended(msg.node_id)

    def _on_shard(self, environment: Environment, msg: Any, **_: Any) -> None:
        del environment
        suffix = self._barrier.suffix_of(msg.node_id)
        if suffix is not None:
            keep_shard(Path(self._dir), msg.data, suffix)

    def _await_workers(self) -> None:
        """End the test once no worker that lives has anything left to do: a lost one must not hold it up."""
        while not (self._barrier.all_ended() and (self._barrier.any_ended or self._barrier.lost)):
            gevent.sleep(WATCH_INTERVAL_S)
        self.stop("measured")


def run_of(environment: Environment) -> LoadRun | None:
    """The test that is running, None where there is none."""
    role = _roles.get(id(environment))
    if role is not None:
        role.begun.wait(BEGIN_LIMIT_S)  # a worker on another machine must fetch its payloads first
    return role.run if role else None


_roles: dict[int, Role] = {}
secure_sockets(sys.argv)


@events.init.add_listener
def _on_init(environment: Environment, runner: Any, **_: Any) -> None:
    remember_token_file(environment.parsed_options)
    role: Role
    if isinstance(runner, WorkerRunner):
        role = Worker(environment)
    else:
        principal = Master(environment) if isinstance(runner, MasterRunner) else Local(environment)
        principal.prepare()
        guard_page(environment)
        environment.events.quitting.add_listener(lambda **_: principal.on_quit_announced())
        role = principal
    _roles[id(environment)] = role
    gevent.signal_handler(signal.SIGINT, role.interrupt)
    environment.events.test_start.add_listener(lambda **_: role.on_test_start())
    environment.events.spawning_complete.add_listener(lambda **_: role.on_spawning_complete())
    environment.events.test_stopping.add_listener(lambda **_: role.on_test_stopping())


@events.quitting.add_listener
def _on_quitting(environment: Environment, **_: Any) -> None:
    """Registered on import, so that it runs last: after the master has gathered everything."""
    role = _roles.get(id(environment))
    if role is not None:
        role.on_quitting()
