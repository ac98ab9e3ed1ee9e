"""One test of one load process inside Locust: gevent's hub turns the engine, a greenlet keeps the books."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING

import gevent

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import ExitCode
from harness.measure.load.locust.statistics_feed import StatisticsFeed

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.env import Environment

    from harness.measure.load.assemble import EngineDriver
    from harness.measure.load.engine import Engine
    from harness.measure.load.generator import Load

FLUSH_INTERVAL_NS = NS_PER_S // 2
FLUSH_ROWS = 4096
STEP_S = 0.01
INTERRUPT_DRAIN_S = 1.0  # how long open requests are still waited for after Ctrl-C or SIGTERM
logger = logging.getLogger(__name__)


class LoadRun:
    """One test of one load process: from the first user to the last row."""

    def __init__(self, environment: Environment, load: Load, driver: EngineDriver) -> None:
        self.ended = False
        self._environment = environment
        self._load = load
        self._driver = driver
        self._feed = StatisticsFeed(environment, load.classes.keys)
        self._next_flush_ns = self._next_snapshot_ns = 0
        self._ending = False
        self._flushing = False
        self._hub = gevent.get_hub()
        self._watcher = self._hub.loop.io(driver.engine.fileno(), 1)
        self._conductor: gevent.Greenlet | None = None

    @property
    def load(self) -> Load:
        """The books and what the load consists of."""
        return self._load

    @property
    def engine(self) -> Engine:
        """What users with code of their own send through."""
        return self._driver.engine

    @property
    def ending(self) -> bool:
        """Whether no request may begin any more."""
        return self._ending

    @property
    def trial_dir(self) -> str:
        """Where the rows are."""
        return self._load.settings.trial_dir

    def start(self, on_measured: Callable[[], None]) -> None:
        """Begin: users may arrive. `on_measured` is called when the load has come to its own end."""
        self._load.open()
        gc.collect()
        gc.freeze()
        self._watcher.start(self._turn)
        self._conductor = gevent.spawn(self._conduct, on_measured)

    def start_arrivals(self, origin_ns: int | None) -> None:
        """An open loop starts at `origin_ns` (None: now), and its phases with it."""
        origin_ns = monotonic_ns() if origin_ns is None else origin_ns
        self._load.begin_phases(origin_ns)
        self._driver.start(origin_ns)

    def all_users_are_there(self) -> None:
        """A closed loop's phases start now."""
        self._load.begin_phases(monotonic_ns())

    def add_user(self) -> int:
        """A user arrives; its number."""
        return self._driver.add_user()

    def remove_user(self, user: int) -> None:
        """A user leaves."""
        if not self.ended:
            self._driver.remove_user(user)

    def end(self, reason: str, drain_s: float | None = None) -> None:
        """Stop arrivals, wait for open requests (`drain_s`, by default their time-out), write everything. Once."""
        if self._ending:
            while not self.ended:
                gevent.sleep(STEP_S)
            return
        self._ending = True
        load = self._load
        load.stop_reason = load.stop_reason or reason
        load.phases.end(monotonic_ns())
        self._driver.stop()
        limit_s = load.settings.timeout_s + 1.0 if drain_s is None else drain_s
        deadline_ns = monotonic_ns() + round(limit_s * NS_PER_S)
        while self._driver.in_flight and monotonic_ns() < deadline_ns:
            gevent.sleep(STEP_S)
        while self._flushing:
            gevent.sleep(0)
        self._watcher.stop()
        self._feed.feed(load.finish(self._driver, reason), load.ledger.errors)
        self.ended = True
        if load.recorder.error:
            logger.error("The rows are incomplete: %s", load.recorder.error)
            self._environment.process_exit_code = int(ExitCode.RUN_FAILED)

    def _turn(self) -> None:
        """Runs in the hub, which must never be left by an exception."""
        try:
            self._driver.engine.turn()
        except Exception:
            self._watcher.stop()
            self._load.recorder.error = "the engine failed; see the log"
            logger.exception("The engine failed")
            gevent.spawn(self.end, "the engine failed", 0.0)
            gevent.spawn(self._environment.runner.quit)

    def _conduct(self, on_measured: Callable[[], None]) -> None:
        while not self._ending:
            gevent.sleep(STEP_S)
            now_ns = monotonic_ns()
            if now_ns >= self._next_flush_ns or self._load.recorder.rows_waiting >= FLUSH_ROWS:
                self._next_flush_ns = now_ns + FLUSH_INTERVAL_NS
                self._flushing = True
                self._flush(now_ns)
                self._flushing = False
            if self._ending:
                return  # type: ignore[unreachable]  # the flush gave others their turn
            if self._load.keep_phases(now_ns) or self._driver.exhausted:
                self.end("measured")
                on_measured()
            elif self._load.recorder.error:
                self.end("the recorder failed", INTERRUPT_DRAIN_S)
                on_measured()

    def _flush(self, now_ns: int) -> None:
        """In steps of about a millisecond, between which the engine has its turns."""
        rows = self._load.take()
        for start in range(0, rows.size, FLUSH_ROWS):
            part = rows[start : start + FLUSH_ROWS]
            gevent.sleep(0)
            self._load.write(part)
            self._load.count_responses(part)
            gevent.sleep(0)
            self._feed.feed(part, self._load.ledger.errors)
        if now_ns >= self._next_snapshot_ns:
            self._next_snapshot_ns = now_ns + NS_PER_S
            gevent.sleep(0)
            self._load.write_snapshot()
