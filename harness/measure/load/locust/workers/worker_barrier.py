"""Orders of the master to its workers, and the barrier at which it waits for their results."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
import psutil
from locust.runners import STATE_MISSING

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import RunError
from harness.plan.load_settings import TrialLoad

if TYPE_CHECKING:
    from locust.runners import MasterRunner, WorkerRunner

END = "sweepspot_end"  # to a worker: stop, drain, report
ENDED = "sweepspot_ended"  # to the master: all results have been sent
GRACE_S = 10.0
logger = logging.getLogger(__name__)


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a load process must know to begin a test."""

    load: TrialLoad  # with the number of this worker
    origin_ns: int | None = None  # when an open loop starts, on the master's clock; None: at once

    @classmethod
    def of(cls, sent: Any, runner: WorkerRunner) -> Orders:
        """A worker's own orders among those that the master sent to all. Raises RunError where they are no orders."""
        try:
            every = msgspec.convert(sent, _OrdersForAll)
        except msgspec.ValidationError as error:
            raise RunError(f"the master's orders cannot be read: {error}") from error
        number = every.numbers.get(runner.client_id, runner.worker_index)
        load = msgspec.structs.replace(every.load, worker=number, workers=max(len(every.numbers), number + 1))
        return cls(load=load, origin_ns=every.origin_ns)


class _OrdersForAll(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the master sends to every worker: all that a worker takes from it."""

    load: TrialLoad
    numbers: dict[str, int]  # of each worker, by its id in Locust
    origin_ns: int | None


class Barrier:
    """Keeps track of the workers that have handed over their last results."""

    def __init__(self, runner: MasterRunner) -> None:
        self._runner = runner
        self._ended: set[str] = set()
        self._numbers: dict[str, int] = {}

    def reset(self) -> None:
        """Start again for a new test."""
        self._ended = set()
        self._numbers = {}

    def orders(self, load: TrialLoad, origin_ns: int | None) -> dict[str, Any]:
        """The orders for all connected workers, which get their numbers here, as builtin types."""
        workers = sorted(self._living(), key=self._runner.get_worker_index)
        self._numbers = {worker: number for number, worker in enumerate(workers)}
        orders: dict[str, Any] = msgspec.to_builtins(
            _OrdersForAll(load=load, numbers=self._numbers, origin_ns=origin_ns)
        )
        return orders

    def suffix_of(self, worker: str) -> str | None:
        """The ending of that worker's file names; None where it has no part in the test."""
        number = self._numbers.get(worker)
        if number is None:
            return None
        return f"-{number}" if len(self._numbers) > 1 else ""

    def ended(self, worker: str) -> None:
        """Note that `worker` has handed over its results."""
        self._ended.add(worker)

    def all_ended(self) -> bool:
        """Whether every live worker has handed over its results."""
        return self._ended.issuperset(self._living())

    @property
    def any_ended(self) -> bool:
        """Whether any worker has handed over its results."""
        return bool(self._ended)

    @property
    def lost(self) -> list[str]:
        """The workers that took part and did not hand over their results, by number: `worker 1`."""
        numbers = sorted(number for worker, number in self._numbers.items() if worker not in self._ended)
        return [f"worker {number}" for number in numbers]

    def end_workers(self, reason: str, drain_s: float | None, timeout_s: float) -> None:
        """Order all workers to end, and wait until the live ones have: at most their time-out and some seconds."""
        if not self.all_ended():
            self._runner.send_message(END, {"reason": reason, "drain_s": drain_s})
        limit_s = (timeout_s if drain_s is None else drain_s) + GRACE_S
        deadline_ns = monotonic_ns() + round(limit_s * NS_PER_S)
        while not self.all_ended() and monotonic_ns() < deadline_ns:
            gevent.sleep(0.02)
        if self.lost:
            logger.error("Lost: %s did not hand over the last results", " and ".join(self.lost))

    def _living(self) -> list[str]:
        """The workers of this test that have sent a heartbeat within the last seconds."""
        of_test = self._numbers or {client.id: 0 for client in self._runner.clients.all}
        return [
            client.id for client in self._runner.clients.all if client.state != STATE_MISSING and client.id in of_test
        ]


def kill_frozen_children(patience_s: float = 3.0) -> None:
    """Kill the workers among this process's children that do not end within `patience_s`.

    Locust waits for its children without a limit. They are not reaped here, because Locust reads their exit codes.
    """
    deadline_ns = monotonic_ns() + round(patience_s * NS_PER_S)
    me = psutil.Process()
    while (left := [child for child in me.children() if _is_worker(child, me)]) and monotonic_ns() < deadline_ns:
        gevent.sleep(0.05)
    for child in left:
        logger.error("Process %d, a worker, did not end and is killed", child.pid)
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()


def _is_worker(child: psutil.Process, master: psutil.Process) -> bool:
    """Whether `child` was forked from this process and still runs; a target has another command line."""
    try:
        return bool(child.status() != psutil.STATUS_ZOMBIE and child.cmdline() == master.cmdline())
    except psutil.NoSuchProcess:
        return False
