"""What the roles of a load process have in common: the only process, the master, or a worker."""

from __future__ import annotations

import atexit
import logging
from typing import TYPE_CHECKING, Any

import gevent
import gevent.monkey
from gevent.event import Event

from harness.errors import ExitCode, SweepspotError
from harness.measure.load.clock_offset import SAME
from harness.measure.load.load_assembly import assemble
from harness.measure.load.locust.load_run import INTERRUPT_DRAIN_S, LoadRun
from harness.measure.load.locust.users.other_clients import OtherClientRecorder
from harness.plan.arrivals import Closed
from harness.record.load_report import BY_LOCUSTFILE

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.measure.load.clock_offset import ClockOffset
    from harness.measure.load.locust.workers.worker_barrier import Orders

BEGIN_LIMIT_S = 60.0
QUIT_AGAIN_S = 2.0
NEVER_ALL_THERE = (
    "The test ended before all users were there, so nothing was measured: give it more time (--run-time), or start "
    "users faster (--spawn-rate)"
)
logger = logging.getLogger(__name__)


class Role:
    """The part of a process in the tests of one Locust environment."""

    def __init__(self, environment: Environment) -> None:
        self.run: LoadRun | None = None
        self.begun = Event()  # set once `run` is there, or never will be
        self._environment = environment
        self._reason = ""  # why the test is ending, where that is known
        self._recorder: OtherClientRecorder | None = None
        self._spawned = False  # all users have been started
        self._late = 0  # requests of other clients that ended too late for a row
        environment.events.request.add_listener(self._on_other_request)
        environment.events.user_error.add_listener(self._on_user_error)

    def on_test_start(self) -> None:
        """A test begins; Locust starts the users next."""
        self._spawned = False

    def on_spawning_complete(self) -> None:
        """Locust has started all users."""
        self._spawned = True
        if self.run is not None:
            self.run.all_users_are_there()

    def on_test_stopping(self) -> None:
        """The test ends: its time is over, a user pressed stop, or the process is quitting."""
        if self.run is not None:
            if not self._spawned and isinstance(self.run.load.settings.arrivals, Closed):
                logger.error(NEVER_ALL_THERE)
                self._environment.process_exit_code = int(ExitCode.INVALID)
            self.run.end(self._reason or self._stop_reason(), INTERRUPT_DRAIN_S if self._reason else None)
            if self._options.headless:  # a task that calls runner.quit() ends its own greenlet, and the rest is left
                gevent.spawn_later(QUIT_AGAIN_S, self._runner.quit)

    def on_quitting(self) -> None:
        """The process ends, by itself or by a signal that Locust has caught."""
        if self.run is not None:
            self.run.end(self._reason or "SIGTERM", INTERRUPT_DRAIN_S)

    def _on_other_request(self, **request: Any) -> None:
        """A client other than ours has made a request."""
        if self.run is None or self._recorder is None:
            return
        if self.run.ended:
            if not self._late:  # FastHttpUser reports each request that ends with its user: one line says how many
                atexit.register(self._say_late)
            self._late += 1
        else:
            self._recorder.on_request(**request)

    def _say_late(self) -> None:
        logger.warning("Requests of other clients that ended after the rows were closed, without a row: %d", self._late)

    def _on_user_error(self, exception: BaseException, **_: Any) -> None:
        """A user has raised an exception, in `on_start` or in a task."""
        if self.run is not None and not self.run.ended:
            self.run.load.users.raised(exception)

    def stop(self, reason: str) -> None:
        """End the test, and the process too where it has no web page."""
        self._reason = self._reason or reason
        gevent.spawn(self._runner.quit if self._options.headless else self._runner.stop)

    def interrupt(self) -> None:
        """Handle Ctrl-C: raise KeyboardInterrupt where Locust waits for it, and not inside the engine."""
        self._reason = self._reason or "SIGINT"
        gevent.get_hub().parent.throw(KeyboardInterrupt())

    def fail(self, error: SweepspotError) -> None:
        """The test cannot begin: log the reason in one line, and stop."""
        logger.error("%s", error)
        self._environment.process_exit_code = int(error.exit_code)
        self.stop("it could not begin")

    def _begin(self, orders: Orders) -> None:
        self._try_to_begin(orders)
        self.begun.set()

    def _try_to_begin(self, orders: Orders) -> None:
        try:
            load = assemble(orders.load, self._environment.host or "", gevent.monkey.get_original)
        except SweepspotError as error:
            self.fail(error)
            return
        except Exception:  # Locust would log it and go on without a load
            logger.exception("The load could not begin")
            self._environment.process_exit_code = int(ExitCode.BUG)
            self.stop("it could not begin")
            return
        self.run = LoadRun(self._environment, load)
        self._recorder = OtherClientRecorder(load)
        self.run.start(self._on_measured)
        load.clock = self._clock()
        if not isinstance(orders.load.arrivals, Closed):
            self.run.start_arrivals(self._on_own_clock(orders.origin_ns))
        elif self._spawned:  # Locust did not wait for the orders' files
            self.run.all_users_are_there()

    def _clock(self) -> ClockOffset | None:
        """The offset from this machine's clock to the master's: SAME without a master, None while it is not known."""
        return SAME

    def _on_own_clock(self, master_ns: int | None) -> int | None:
        clock = self._clock()
        return None if master_ns is None or clock is None else master_ns - clock.offset_ns

    def _on_measured(self) -> None:
        self.stop("measured")

    def _stop_reason(self) -> str:
        if self._options.settings and self._environment.shape_class is None:
            return BY_LOCUSTFILE
        return "time" if self._options.run_time else "stopped"

    @property
    def _options(self) -> Any:
        return self._environment.parsed_options

    @property
    def _runner(self) -> Any:
        return self._environment.runner
