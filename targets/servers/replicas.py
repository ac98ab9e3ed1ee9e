"""Supervises replicas: several processes behind one port, each with its own model and queue.

The kernel distributes new connections over the processes that listen (SO_REUSEPORT). The supervisor binds the port
without listening, starts dead replicas again, forwards knob changes, and serves no request itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import RunError
from harness.plan.knobs import Apply
from harness.system.temporary_folder import temporary_folder
from targets.cores import share_of
from targets.servers.restarting_child import Launch, RestartingChild

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from harness.plan.knobs import KnobSet, Setting
    from harness.plan.target_spec import Progress
    from harness.system.control_channel import Message
    from targets.certificate import Certificate

DRAIN_LIMIT_S = 35.0
FORCED_EXIT = 130


@dataclass(frozen=True, slots=True)
class ReplicaOrder:
    """The start parameters of every replica."""

    target: str
    model: str
    knobs: KnobSet
    setting: Setting  # complete, for one process; with the gRPC port reserved, if any
    certificate: Certificate | None = None


class Supervisor:
    """A `Server` that consists of replicas."""

    def __init__(self, order: ReplicaOrder, count: int, progress: Progress) -> None:
        self._order = order
        self._count = count
        self._progress = progress
        self._lock = threading.Lock()
        self._replicas: list[RestartingChild] = []
        self._ready: set[RestartingChild] = set()
        self._unacknowledged: dict[RestartingChild, int] = {}  # by replica: knob changes that it has not acknowledged
        self._done: list[Callable[[], None]] = []
        self._all_ready = threading.Event()
        self._stopping = threading.Event()
        self._failure = ""
        self._served = False

    def run(self, sock: socket.socket, on_ready: Callable[[], None]) -> None:
        """Serve until `stop`, SIGTERM or SIGINT; a second signal kills all replicas. Raises RunError."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        with temporary_folder("replicas") as directory:
            for index in range(self._count):
                self._replicas.append(RestartingChild(partial(self._launch, sock, index, directory), self._on_message))
            for replica in self._replicas:
                replica.start()
            self._all_ready.wait()
            if not self._failure and not self._stopping.is_set():
                self._served = True
                on_ready()
            self._stopping.wait()
            for replica in self._replicas:
                replica.stop()
            for replica in self._replicas:
                replica.join(DRAIN_LIMIT_S)
        if self._failure:
            raise RunError(self._failure)

    def stop(self) -> None:
        """Begin to drain. May be called from any thread and repeatedly."""
        self._stopping.set()
        self._all_ready.set()

    def set_knobs(self, setting: Setting, done: Callable[[], None]) -> None:
        """Send the live knobs to all replicas and call `done` after the last acknowledgement. From any thread."""
        live = {knob.name: setting[knob.name] for knob in self._order.knobs if knob.apply is Apply.LIVE}
        with self._lock:
            self._order = replace(self._order, setting={**self._order.setting, **live})
            self._done.append(done)
            for replica in self._ready:
                self._send_live_knobs(replica)
        self._settle()

    def _send_live_knobs(self, replica: RestartingChild) -> None:
        order = self._order
        self._unacknowledged[replica] = self._unacknowledged.get(replica, 0) + 1
        replica.send({"set": {knob.name: order.setting[knob.name] for knob in order.knobs if knob.apply is Apply.LIVE}})

    def _settle(self) -> None:
        with self._lock:
            finished, self._done = ([], self._done) if self._unacknowledged else (self._done, [])
        for done in finished:
            done()

    def _launch(self, sock: socket.socket, index: int, directory: Path) -> Launch:
        host, port = sock.getsockname()[:2]
        order = self._order
        argv = [sys.executable, "-m", "targets", order.target, "--host", host, "--port", str(port)]
        argv += ["--model", order.model, "--knobs", json.dumps(order.setting)]
        argv += ["--replica", str(index), "--replica-dir", str(directory)]
        if order.certificate is not None:
            argv += ["--tls-cert", str(order.certificate.chain), "--tls-key", str(order.certificate.key)]
        return Launch(argv, cores=share_of(index, self._count))

    def _on_message(self, replica: RestartingChild, message: Message) -> None:
        match message["event"]:
            case "ready":
                self._on_replica_ready(replica, message)
            case "set":
                self._on_acknowledged(replica)
            case "error":
                self._on_error(str(message["message"]))
            case "gone":
                self._on_gone(replica, message)

    def _on_replica_ready(self, replica: RestartingChild, message: Message) -> None:
        with self._lock:
            self._ready.add(replica)
            ready = len(self._ready)
            self._send_live_knobs(replica)  # knobs may have changed while it started
        if self._served:
            print(f"replica {message['pid']} is ready", file=sys.stderr, flush=True)
        else:
            self._progress("starting replicas", ready, self._count)
        if ready == self._count:
            self._all_ready.set()

    def _on_acknowledged(self, replica: RestartingChild) -> None:
        with self._lock:
            if replica in self._unacknowledged:
                self._unacknowledged[replica] -= 1
                if not self._unacknowledged[replica]:
                    del self._unacknowledged[replica]
        self._settle()

    def _on_error(self, text: str) -> None:
        if not self._served:
            self._failure = self._failure or text
            self.stop()

    def _on_gone(self, replica: RestartingChild, message: dict[str, Any]) -> None:
        with self._lock:
            self._ready.discard(replica)
            self._unacknowledged.pop(replica, None)
        self._settle()
        if self._stopping.is_set():
            return
        print(
            f"replica {message['pid']} ended with exit code {message['code']}; starting it again",
            file=sys.stderr,
            flush=True,
        )
        if not self._served:
            self._on_error(f"a replica ended with exit code {message['code']} before it was ready")

    def _on_signal(self, number: int, frame: object) -> None:
        del number, frame
        if self._stopping.is_set():
            for replica in self._replicas:
                replica.kill()
            os._exit(FORCED_EXIT)
        self.stop()
