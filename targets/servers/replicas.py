"""`replicas`: several processes behind one port, each with its own model and queue, and the parent that keeps them.

The kernel spreads new connections over the processes that listen (SO_REUSEPORT). The parent holds the port
without listening, starts again who died, passes on what it is told, and answers no request itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import threading
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.errors import RunError
from harness.plan.knobs import Apply
from targets.cores import share_of
from targets.servers.child import Child, Launch

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from harness.child_process import Message
    from harness.plan.knobs import KnobSet, Setting
    from harness.plan.target_spec import Progress
    from targets.certificate import Certificate

DRAIN_LIMIT_S = 35.0
FORCED_EXIT = 130


@dataclass(frozen=True, slots=True)
class ReplicaOrder:
    """What every replica is started with."""

    target: str
    model: str
    knobs: KnobSet
    setting: Setting  # complete, for one process; with the gRPC port reserved, if any
    certificate: Certificate | None = None


class Supervisor:
    """A `Server` made of replicas."""

    def __init__(self, order: ReplicaOrder, count: int, progress: Progress) -> None:
        self._order = order
        self._count = count
        self._progress = progress
        self._lock = threading.Lock()
        self._replicas: list[Child] = []
        self._ready: set[Child] = set()
        self._owed: dict[Child, int] = {}  # acknowledgements of settings
        self._done: list[Callable[[], None]] = []
        self._all_ready = threading.Event()
        self._stopping = threading.Event()
        self._failure = ""
        self._served = False

    def run(self, sock: socket.socket, on_ready: Callable[[], None]) -> None:
        """Serve until `stop`, SIGTERM or SIGINT; a second signal ends all at once. Raises RunError."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        with tempfile.TemporaryDirectory(prefix="sweepspot-replicas-") as directory:
            for index in range(self._count):
                self._replicas.append(Child(partial(self._launch, sock, index, directory), self._hear))
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
        """Begin to drain; from any thread, any number of times."""
        self._stopping.set()
        self._all_ready.set()

    def set_knobs(self, setting: Setting, done: Callable[[], None]) -> None:
        """Tell all replicas; `done` is called when the last one has said yes. From any thread."""
        live = {knob.name: setting[knob.name] for knob in self._order.knobs if knob.apply is Apply.LIVE}
        with self._lock:
            self._order = replace(self._order, setting={**self._order.setting, **live})
            self._done.append(done)
            for replica in self._ready:
                self._tell_live(replica)
        self._settle()

    def _tell_live(self, replica: Child) -> None:
        order = self._order
        self._owed[replica] = self._owed.get(replica, 0) + 1
        replica.tell({"set": {knob.name: order.setting[knob.name] for knob in order.knobs if knob.apply is Apply.LIVE}})

    def _settle(self) -> None:
        with self._lock:
            finished, self._done = ([], self._done) if self._owed else (self._done, [])
        for done in finished:
            done()

    def _launch(self, sock: socket.socket, index: int, directory: str) -> Launch:
        host, port = sock.getsockname()[:2]
        order = self._order
        argv = [sys.executable, "-m", "targets", order.target, "--host", host, "--port", str(port)]
        argv += ["--model", order.model, "--knobs", json.dumps(order.setting)]
        argv += ["--replica", str(index), "--replica-dir", directory]
        if order.certificate is not None:
            argv += ["--tls-cert", str(order.certificate.chain), "--tls-key", str(order.certificate.key)]
        return Launch(argv, cores=share_of(index, self._count))

    def _hear(self, replica: Child, message: Message) -> None:
        match message["event"]:
            case "ready":
                self._on_replica_ready(replica, message)
            case "set":
                self._on_acknowledged(replica)
            case "error":
                self._on_error(str(message["message"]))
            case "gone":
                self._on_gone(replica, message)

    def _on_replica_ready(self, replica: Child, message: Message) -> None:
        with self._lock:
            self._ready.add(replica)
            ready = len(self._ready)
            self._tell_live(replica)  # what was set while it started
        if self._served:
            print(f"replica {message['pid']} is ready", file=sys.stderr, flush=True)
        else:
            self._progress("starting replicas", ready, self._count)
        if ready == self._count:
            self._all_ready.set()

    def _on_acknowledged(self, replica: Child) -> None:
        with self._lock:
            if replica in self._owed:
                self._owed[replica] -= 1
                if not self._owed[replica]:
                    del self._owed[replica]
        self._settle()

    def _on_error(self, text: str) -> None:
        if not self._served:
            self._failure = self._failure or text
            self.stop()

    def _on_gone(self, replica: Child, message: dict[str, Any]) -> None:
        with self._lock:
            self._ready.discard(replica)
            self._owed.pop(replica, None)
        self._settle()
        if self._stopping.is_set():
            return
        print(f"replica {message['pid']} ended with {message['code']}; starting it again", file=sys.stderr, flush=True)
        if not self._served:
            self._on_error(f"a replica ended with {message['code']} before it was ready")

    def _on_signal(self, number: int, frame: object) -> None:
        del number, frame
        if self._stopping.is_set():
            for replica in self._replicas:
                replica.kill()
            os._exit(FORCED_EXIT)
        self.stop()
