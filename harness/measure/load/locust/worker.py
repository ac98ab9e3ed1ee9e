"""A worker: like a process on its own, but it starts and ends when the master says so, and hands over what it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gevent
import msgspec

from harness.errors import RunError
from harness.measure.load.locust.file_transfer import Courier, is_here, own_folder
from harness.measure.load.locust.master_questions import MasterKnown, local_copies
from harness.measure.load.locust.role import Role
from harness.measure.load.locust.worker_barrier import END, ENDED, Orders

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.measure.load.locust.clock_offset import ClockOffset


class Worker(Role):
    """Does as the master says."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._master = MasterKnown(self._runner)
        self._courier: Courier | None = None
        self._runner.register_message(END, self._on_end, concurrent=True)
        # Registered after Locust's own listener, so that it runs before it: results first, then "I quit".
        environment.events.quitting.add_listener(lambda **_: self.on_quitting())

    def on_test_start(self) -> None:
        """Begin with the master's orders, once the files that they name are here."""
        self.begun.clear()
        orders = Orders.of(self._options.sweepspot_orders, self._runner)
        if all(is_here(path) for path in orders.load.files):
            self._begin_here(orders)
        else:
            gevent.spawn(self._begin_remote, orders)  # this greenlet is the one that receives messages

    def _begin_remote(self, orders: Orders) -> None:
        """Fetch the files from the master first."""
        try:
            copies = local_copies(orders.load.files, self._master)
        except RunError as error:
            self.fail(error)
            self.begun.set()
            return
        self._begin_here(msgspec.structs.replace(orders, load=orders.load.with_files(copies)))

    def _begin_here(self, orders: Orders) -> None:
        if not is_here(Path(orders.load.trial_dir) / orders.marker):
            folder = own_folder()
            orders = msgspec.structs.replace(orders, load=msgspec.structs.replace(orders.load, trial_dir=str(folder)))
            self._courier = Courier(self._runner, folder)
        self._begin(orders)

    def _clock(self) -> ClockOffset | None:
        return self._master.clock

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
        if self._courier is not None:
            self._courier.finish()
            self._courier = None
        self._runner._send_stats()  # noqa: SLF001  (what Locust itself does at the end; there is no public name for it)
        self._runner.send_message(ENDED)
