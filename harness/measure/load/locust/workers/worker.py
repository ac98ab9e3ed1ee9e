"""The role of a worker: it starts and ends when the master orders it, and hands over its rows and its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent
import msgspec

from harness.errors import RunError, SweepspotError
from harness.measure.load.locust.role import Role
from harness.measure.load.locust.workers.file_transfer import FileTransfer, own_folder
from harness.measure.load.locust.workers.master_questions import KnownMaster, local_copies
from harness.measure.load.locust.workers.worker_barrier import END, ENDED, Orders
from harness.wire.credentials import require_token_host, token_targets

if TYPE_CHECKING:
    from locust.env import Environment

    from harness.measure.load.clock_offset import ClockOffset


class Worker(Role):
    """Runs the load that the master orders."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._master = KnownMaster(self._runner)
        self._transfer: FileTransfer | None = None
        # A worker that the master forked shares its files; any other opens no path that the master names.
        self._is_forked = bool(self._options.processes)
        self._runner.register_message(END, self._on_end, concurrent=True)
        # Registered after Locust's own listener, so that it runs first: results are sent before the quit message.
        environment.events.quitting.add_listener(lambda **_: self.on_quitting())

    def on_test_start(self) -> None:
        """Begin with the master's orders, once this worker has copies of the files that they name."""
        super().on_test_start()
        self.begun.clear()
        try:
            orders = Orders.of(getattr(self._options, "sweepspot_orders", None), self._runner)
        except RunError as error:
            self.fail(error)
            self.begun.set()
            return
        if self._is_forked:
            self._begin(orders)
        else:
            gevent.spawn(self._begin_remote, orders)  # this greenlet is the one that receives messages

    def _begin_remote(self, orders: Orders) -> None:
        """Fetch the files, and keep rows in a folder of this worker's own until they are sent."""
        folder = own_folder()
        payloads = folder.path / "payloads"
        payloads.mkdir()
        try:
            for url in (self._environment.host or "", *orders.load.other_servers):
                require_token_host(url, token_targets())
            copies = local_copies(orders.load.files, self._master, payloads)
        except SweepspotError as error:
            folder.remove()
            self.fail(error)
            self.begun.set()
            return
        load = msgspec.structs.replace(orders.load.with_files(copies), trial_dir=str(folder.path))
        self._transfer = FileTransfer(self._runner, folder)
        self._begin(msgspec.structs.replace(orders, load=load))

    def _clock(self) -> ClockOffset | None:
        return self._master.clock

    def on_quitting(self) -> None:
        """Hand over the results so far."""
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
        if self._transfer is not None:
            self._transfer.finish()
            self._transfer = None
        self._runner._send_stats()  # noqa: SLF001  (Locust does this itself at the end; it has no public name)
        self._runner.send_message(ENDED)
