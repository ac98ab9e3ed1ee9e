"""Master and workers: orders on the way there, a barrier on the way back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import gevent
import msgspec
from locust.runners import STATE_MISSING

from harness.clock import NS_PER_S, monotonic_ns

if TYPE_CHECKING:
    from locust.runners import MasterRunner, WorkerRunner

END = "sweepspot_end"  # to a worker: stop, drain, report
ENDED = "sweepspot_ended"  # to the master: all my results are with you
GRACE_S = 10.0
logger = logging.getLogger(__name__)


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What a load process is told that is not on its own command line."""

    trial_dir: str
    worker: int = 0
    workers: int = 1

    @classmethod
    def of(cls, sent: dict[str, Any], runner: WorkerRunner) -> Orders:
        """A worker's own orders among those that the master sent to all."""
        numbers: dict[str, int] = sent["numbers"]
        number = numbers.get(runner.client_id, runner.worker_index)
        return cls(trial_dir=sent["trial_dir"], worker=number, workers=max(len(numbers), number + 1))


class Barrier:
    """The master's knowledge of which workers have handed over their last results."""

    def __init__(self, runner: MasterRunner) -> None:
        self._runner = runner
        self._ended: set[str] = set()

    def reset(self) -> None:
        """A new test."""
        self._ended = set()

    def orders(self, trial_dir: str) -> dict[str, Any]:
        """For all workers that are there: which number each has."""
        workers = sorted(self._living(), key=self._runner.get_worker_index)
        return {"trial_dir": trial_dir, "numbers": {worker: number for number, worker in enumerate(workers)}}

    def ended(self, worker: str) -> None:
        """`worker` has handed over."""
        self._ended.add(worker)

    def all_ended(self) -> bool:
        """Whether nothing more can come from a worker that lives."""
        return self._ended.issuperset(self._living())

    def end_workers(self, reason: str, drain_s: float | None, timeout_s: float) -> None:
        """Have all workers end, and wait until those that live have; at most their time-out and some seconds."""
        if not self.all_ended():
            self._runner.send_message(END, {"reason": reason, "drain_s": drain_s})
        limit_s = (timeout_s if drain_s is None else drain_s) + GRACE_S
        deadline_ns = monotonic_ns() + round(limit_s * NS_PER_S)
        while not self.all_ended() and monotonic_ns() < deadline_ns:
            gevent.sleep(0.02)
        missing = {client.id for client in self._runner.clients.all} - self._ended
        if missing:
            names = ", ".join(sorted(missing))
            logger.error("%d workers did not hand over their last results: %s", len(missing), names)

    def _living(self) -> list[str]:
        return [client.id for client in self._runner.clients.all if client.state != STATE_MISSING]
