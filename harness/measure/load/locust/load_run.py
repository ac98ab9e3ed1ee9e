"""Runs the load of one process inside Locust: gevent's hub turns the engine, a greenlet writes the rows."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

import gevent
from locust.exception import StopUser

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import ExitCode
from harness.measure.load.ledger import ObservedRequest
from harness.measure.load.locust.other_open_requests import OpenElsewhere
from harness.measure.load.locust.statistics_feed import StatisticsFeed
from harness.measure.load.timeout_errors import is_timeout
from harness.record.rows import ABSENT, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment

    from harness.measure.load.load_generator import Load
    from harness.measure.load.locust.other_open_requests import OpenRequest

FLUSH_INTERVAL_NS = NS_PER_S // 2
FLUSH_ROWS = 4096
STEP_S = 0.01
LEAVING_S = 1  # in which Locust ends the users of a load that has ended
INTERRUPT_DRAIN_S = 1.0  # how long open requests are still waited for after Ctrl-C or SIGTERM
logger = logging.getLogger(__name__)


class LoadRun:
    """One test of one load process: from the first user to the last row."""

    def __init__(self, environment: Environment, load: Load) -> None:
        self.ended = False
        self.elsewhere = OpenElsewhere()
        self._environment = environment
        self.load = load
        # The address that was checked for this test: a page or a master may name another one while it runs.
        self.host: str = environment.host or ""
        self._feed = StatisticsFeed(environment, load.classes.keys)
        self._next_flush_ns = self._next_snapshot_ns = 0
        self._ending = False
        self._ended_ns = 0
        self._flushing = False
        self._hub = gevent.get_hub()
        self._watcher = self._hub.loop.io(load.engine.fileno(), 1)
        self._conductor: gevent.Greenlet | None = None

    @property
    def ending(self) -> bool:
        """Whether the test is ending, so that no further request may begin."""
        return self._ending

    @property
    def trial_dir(self) -> str:
        """The folder of the rows."""
        return self.load.settings.trial_dir

    def start(self, on_measured: Callable[[], None]) -> None:
        """Begin: users may be added. `on_measured` is called when the load has come to its own end."""
        self.load.open()
        gc.collect()
        gc.freeze()
        self._watcher.start(self._turn)
        self._conductor = gevent.spawn(self._conduct, on_measured)

    def start_arrivals(self, origin_ns: int | None) -> None:
        """Start an open loop and its phases at `origin_ns` (None: now)."""
        origin_ns = monotonic_ns() if origin_ns is None else origin_ns
        self.load.begin_phases(origin_ns)
        self.load.loop.start(origin_ns)

    def all_users_are_there(self) -> None:
        """Start the phases of a closed loop, whose users are all there."""
        self.load.begin_phases(monotonic_ns())

    def add_user(self) -> int:
        """Add a user. Returns its number."""
        return self.load.loop.add_user()

    def remove_user(self, user: int) -> None:
        """Remove a user."""
        if not self.ended:
            self.load.loop.remove_user(user)

    def end(self, reason: str, drain_s: float | None = None) -> None:
        """Stop arrivals, wait for open requests (`drain_s`, by default their time-out), write everything. Once."""
        if self._ending:
            while not self.ended:
                gevent.sleep(STEP_S)
            return
        self._ending = True
        load = self.load
        load.stop_reason = load.stop_reason or reason
        end_ns = monotonic_ns()
        load.phases.end(end_ns)
        load.loop.stop()
        limit_s = load.settings.timeout_s + 1.0 if drain_s is None else drain_s
        deadline_ns = monotonic_ns() + round(limit_s * NS_PER_S)
        while (load.engine.in_flight or self.elsewhere.before(end_ns)) and monotonic_ns() < deadline_ns:
            gevent.sleep(STEP_S)
        for request in self.elsewhere.before(end_ns):
            self._observe(request, Outcome.ABORTED, "still open at the end")
        while self._flushing:
            gevent.sleep(0)
        self._watcher.stop()
        self._feed.feed(load.finish(reason), load.ledger.class_errors)
        self.ended, self._ended_ns = True, monotonic_ns()
        if load.recorder.error:
            logger.error("The rows are incomplete: %s", load.recorder.error)
            self._environment.process_exit_code = int(ExitCode.RUN_FAILED)

    def hold(self, *, leaving: bool) -> None:
        """Hold a user who would begin a request after the end of measuring, which has no row; Locust ends it meanwhile.

        leaving: the user ends (`on_stop`): what it sends waits for `LEAVING_S` at most. Raises StopUser where another
        user was not ended in that time: its request never leaves.
        """
        while self._ending and not (self.ended and monotonic_ns() > self._ended_ns + LEAVING_S * NS_PER_S):
            gevent.sleep(STEP_S)
        if self._ending and not leaving:
            gevent.sleep(STEP_S)  # a task that catches this and asks again takes no core
            raise StopUser

    def cut_off(self, number: int, error: BaseException) -> None:
        """Record an open request that `error` has ended: a time-out of its task, or the end of its user."""
        request = self.elsewhere.end(number)
        if request is None or self.ended:
            return
        outcome = Outcome.TIMEOUT if is_timeout(error) else Outcome.ABORTED
        self._observe(request, outcome, f"{outcome.name.lower()}: {type(error).__name__}")

    def _observe(self, request: OpenRequest, outcome: Outcome, text: str) -> None:
        seen = ObservedRequest(outcome, text, ABSENT, 0, request.start_ns, monotonic_ns())
        self.load.ledger.observed(seen, self.load.classes.place(request.name, request.method, fed=False))

    def _turn(self) -> None:
        """Runs in gevent's hub, so no exception may leave it."""
        try:
            self.load.engine.turn()
        except Exception:
            self._watcher.stop()
            self.load.recorder.error = "the engine failed; see the log"
            logger.exception("The engine failed")
            gevent.spawn(self.end, "the engine failed", 0.0)
            gevent.spawn(self._environment.runner.quit)

    def _conduct(self, on_measured: Callable[[], None]) -> None:
        while not self._ending:
            gevent.sleep(STEP_S)
            now_ns = monotonic_ns()
            if now_ns >= self._next_flush_ns or self.load.recorder.rows_waiting >= FLUSH_ROWS:
                self._next_flush_ns = now_ns + FLUSH_INTERVAL_NS
                self._flushing = True
                self._flush(now_ns)
                self._flushing = False
            if self._ending:
                return  # type: ignore[unreachable]  # other greenlets ran during the flush
            if self.load.keep_phases(now_ns) or self.load.loop.exhausted:
                self.end("measured")
                on_measured()
            elif self.load.measuring:
                self.load.users.see(self._environment.runner.user_count)
            if self.load.recorder.error and not self._ending:
                self.end("the recorder failed", INTERRUPT_DRAIN_S)
                on_measured()

    def _flush(self, now_ns: int) -> None:
        """Write rows in steps of about a millisecond, so that the engine can run between them."""
        rows = self.load.ledger.take()
        for start in range(0, rows.size, FLUSH_ROWS):
            part = rows[start : start + FLUSH_ROWS]
            gevent.sleep(0)
            self.load.ledger.write(part)
            self.load.count_response_times(part)
            gevent.sleep(0)
            self._feed.feed(part, self.load.ledger.class_errors)
        if now_ns >= self._next_snapshot_ns:
            self._next_snapshot_ns = now_ns + NS_PER_S
            gevent.sleep(0)
            self.load.write_snapshot()
