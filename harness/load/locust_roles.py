"""Which part a process plays in a test, and what Locust's events mean to it.

*Local*: alone. *Master*: sends nothing itself, tells the workers what to do and waits for their last results.
*Worker*: like local, but starts and ends when the master says so. Importing this registers the listeners.
"""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import gevent.monkey
import msgspec
from locust import events
from locust.runners import MasterRunner, WorkerRunner
from locust.stats import CSV_STATS_INTERVAL_SEC

from harness.arrivals import Closed
from harness.clock import wall_time
from harness.control import ControlChannel
from harness.errors import ExitCode, SweepspotError
from harness.load.assemble import assemble
from harness.load.locust_cluster import END, ENDED, Barrier, Orders, kill_frozen_children
from harness.load.locust_mix import classes_of
from harness.load.locust_options import load_options
from harness.load.locust_recording import Recording
from harness.load.locust_run import INTERRUPT_DRAIN_S, LoadRun
from harness.load.locust_target import aim

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.embedded import EmbeddedTarget
    from harness.server_process import ServerProcess

WATCH_INTERVAL_S = 0.1
logger = logging.getLogger(__name__)


class Role:
    """What all three have in common."""

    def __init__(self, environment: Environment) -> None:
        self.run: LoadRun | None = None
        self._environment = environment
        self._reason = ""  # why the test is ending, where something told us
        self._tests = 0
        self._recording: Recording | None = None
        environment.events.request.add_listener(self._on_foreign_request)

    def on_test_start(self) -> None:
        """A test begins; users come next."""

    def on_spawning_complete(self) -> None:
        """All users are there."""
        if self.run is not None:
            self.run.all_users_are_there()

    def on_test_stopping(self) -> None:
        """The test ends: time is over, someone pressed stop, or the process is quitting."""
        if self.run is not None:
            self.run.end(self._reason or self._stop_reason(), INTERRUPT_DRAIN_S if self._reason else None)

    def on_quitting(self) -> None:
        """The process ends, by itself or by a signal that Locust caught."""
        if self.run is not None:
            self.run.end(self._reason or "SIGTERM", INTERRUPT_DRAIN_S)

    def _on_foreign_request(self, **told: Any) -> None:
        """A client that is not ours has made a request."""
        if self.run is None or self._recording is None:
            return
        if self.run.ended:
            logger.warning("A request of a client of Locust's own ended after the books were closed: it is in no row")
        else:
            self._recording.on_request(**told)

    def stop(self, reason: str) -> None:
        """End the test, and the process where nobody sits at a page."""
        self._reason = self._reason or reason
        gevent.spawn(self._runner.quit if self._options.headless else self._runner.stop)

    def interrupt(self) -> None:
        """Ctrl-C. Raised where Locust waits for it, and not wherever the engine happens to be."""
        self._reason = self._reason or "SIGINT"
        gevent.get_hub().parent.throw(KeyboardInterrupt())

    def fail(self, error: SweepspotError) -> None:
        """The test cannot begin: say so in one line."""
        logger.error("%s", error)
        self._environment.process_exit_code = int(error.exit_code)
        self.stop("it could not begin")

    def _begin(self, orders: Orders) -> None:
        try:
            options = msgspec.structs.replace(
                load_options(self._options, Path(orders.trial_dir), orders.worker, orders.workers),
                classes=classes_of(self._environment),
            )
            load, driver = assemble(options, self._environment.host or "", gevent.monkey.get_original)
        except SweepspotError as error:
            self.fail(error)
            return
        except Exception:  # Locust would log it, and go on without a load
            logger.exception("The load could not begin")
            self._environment.process_exit_code = int(ExitCode.BUG)
            self.stop("it could not begin")
            return
        self.run = LoadRun(self._environment, load, driver)
        self._recording = Recording(load)
        self.run.start(self._on_measured)
        if not isinstance(options.arrivals, Closed):
            self.run.start_arrivals()

    def _on_measured(self) -> None:
        self.stop("measured")

    def _stop_reason(self) -> str:
        return "time" if self._options.run_time else "stopped"

    def _trial_dir(self) -> str:
        """Where this test's rows go; a second test in the same process gets a folder of its own."""
        given = self._options.trial_dir
        number = self._tests
        self._tests += 1
        if given:
            return str(given) if not number else f"{given}-{number}"
        if not number:
            self._results = Path("results") / f"{wall_time().astimezone():%Y-%m-%d-%H%M%S}-locust"
        return str((self._results / "trials" / str(number)).resolve())

    @property
    def _options(self) -> Any:
        return self._environment.parsed_options

    @property
    def _runner(self) -> Any:
        return self._environment.runner


class Principal(Role):
    """Local or master: the one process of a run that has the target and listens to the parent."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.target: EmbeddedTarget | ServerProcess | None = None

    def prepare(self) -> None:
        """Check the options and have a target; ends the process where that fails."""
        try:
            load_options(self._options, Path())
            classes_of(self._environment)
            if self._options.control_fd is not None:
                channel = ControlChannel.inherited(self._options.control_fd)
                channel.watch(self._on_message, lambda: self.stop("the parent is gone"))
            self.target = aim(self._environment)
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
        if self.target is not None:
            self.target.stop()

    def _on_message(self, message: dict[str, Any]) -> None:
        if message.get("stop"):
            self.stop("told to stop")


class Local(Principal):
    """The only process."""

    def on_test_start(self) -> None:
        """Begin at once."""
        orders = Orders(trial_dir=self._trial_dir())
        self._begin(orders)

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
        self._runner.register_message(ENDED, self._on_ended)
        self._dir = ""
        self._watch: gevent.Greenlet | None = None

    def on_test_start(self) -> None:
        """Put the workers' orders where Locust sends them along with the users."""
        self._dir = self._trial_dir()
        self._barrier.reset()
        self._options.sweepspot_orders = self._barrier.orders(self._dir)
        if self._watch is not None:
            self._watch.kill()
        self._watch = gevent.spawn(self._await_workers)

    def on_test_stopping(self) -> None:
        """Wait until every worker that lives has drained and reported: Locust itself would not."""
        options = load_options(self._options, Path())
        drain_s = INTERRUPT_DRAIN_S if self._reason and self._reason != "measured" else None
        self._barrier.end_workers(self._reason or self._stop_reason(), drain_s, options.timeout_s)
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

    def _await_workers(self) -> None:
        """End the test once no worker that lives has anything left to do: a lost one must not hold it up."""
        while not (self._barrier.all_ended() and (self._barrier.any_ended or self._barrier.lost)):
            gevent.sleep(WATCH_INTERVAL_S)
        self.stop("measured")


class Worker(Role):
    """Does as the master says."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._runner.register_message(END, self._on_end, concurrent=True)
        # Registered after Locust's own listener, so that it runs before it: results first, then "I quit".
        environment.events.quitting.add_listener(lambda **_: self.on_quitting())

    def on_test_start(self) -> None:
        """Begin with the master's orders."""
        self._begin(Orders.of(self._options.sweepspot_orders, self._runner))

    def on_quitting(self) -> None:
        """Hand over what there is."""
        if self.run is not None and not self.run.ended:
            super().on_quitting()
            self._hand_over()

    def _on_end(self, environment: Environment, msg: Any, **_: Any) -> None:
        del environment
        if self.run is not None:
            self.run.end(msg.data["reason"], msg.data["drain_s"])
        self._hand_over()

    def _on_measured(self) -> None:
        self._hand_over()

    def _hand_over(self) -> None:
        self._runner._send_stats()  # noqa: SLF001  (what Locust itself does at the end; there is no public name for it)
        self._runner.send_message(ENDED)


def run_of(environment: Environment) -> LoadRun | None:
    """The test that is running, None where there is none."""
    role = _roles.get(id(environment))
    return role.run if role else None


_roles: dict[int, Role] = {}


@events.init.add_listener
def _on_init(environment: Environment, runner: Any, **_: Any) -> None:
    role: Role
    if isinstance(runner, WorkerRunner):
        role = Worker(environment)
    else:
        principal = Master(environment) if isinstance(runner, MasterRunner) else Local(environment)
        principal.prepare()
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
