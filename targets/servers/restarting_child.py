"""Keeps a child process running: starts it again when it dies, after pauses that grow while it keeps dying."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S, monotonic_ns
from harness.system.control_channel import ControlChannel
from harness.system.cpu_cores import pin

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from harness.system.control_channel import Message
    from harness.system.cpu_cores import Cores

RESTART_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
STEADY_NS = 10 * NS_PER_S  # a child that lived so long is started again after the shortest pause


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a child: the command line, what it inherits besides its control channel, and its cores.

    `child_sockets` are closed in this process after the start. Without `cores` the child runs on the cores of its
    parent.
    """

    argv: list[str]
    child_sockets: tuple[socket.socket, ...] = ()
    descriptors: tuple[int, ...] = ()
    cores: Cores = ()


class RestartingChild:
    """Starts a child again whenever it ends, until `stop`. A thread per child reads its messages.

    Every start calls `launch()`. `on_message` gets the messages of the child and, when it ends,
    `{"event": "gone", "pid": ..., "code": ...}`. It is called from the thread of the child.
    """

    def __init__(self, launch: Callable[[], Launch], on_message: Callable[[RestartingChild, Message], None]) -> None:
        self._launch = launch
        self._on_message = on_message
        self._control: ControlChannel | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep_running, name="child", daemon=True)

    def start(self) -> None:
        """Start the child and its thread."""
        self._thread.start()

    def send(self, message: Message) -> None:
        """Send a message where the child is alive."""
        if self._control is not None:
            self._control.send(message)

    def stop(self) -> None:
        """Ask the child to drain, and do not start it again."""
        self._stopping.set()
        self.send({"stop": True})

    def join(self, timeout_s: float) -> None:
        """Wait for the child to end; kill it after `timeout_s`."""
        self._thread.join(timeout_s)
        self.kill()

    def kill(self) -> None:
        """Kill the child."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _keep_running(self) -> None:
        pause_s = RESTART_PAUSE_S
        while not self._stopping.is_set():
            start_ns = monotonic_ns()
            self._run_once()
            if self._stopping.is_set():
                return
            pause_s = RESTART_PAUSE_S if monotonic_ns() - start_ns > STEADY_NS else min(2 * pause_s, MAX_PAUSE_S)
            self._stopping.wait(pause_s)

    def _run_once(self) -> None:
        control, theirs = ControlChannel.pair()
        launch = self._launch()
        argv = [*launch.argv, "--control-fd", str(theirs.fileno())]
        inherited = (theirs.fileno(), *(sock.fileno() for sock in launch.child_sockets), *launch.descriptors)
        process = subprocess.Popen(argv, pass_fds=inherited, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for sock in (theirs, *launch.child_sockets):
            sock.close()
        if launch.cores:
            pin(process.pid, launch.cores)
        self._process, self._control = process, control
        if self._stopping.is_set():  # `stop` was called between the check in `_keep_running` and now
            control.send({"stop": True})
        while (message := control.receive()) is not None:
            self._on_message(self, message)
        code = process.wait()
        self._control = None
        control.close()
        self._on_message(self, {"event": "gone", "pid": process.pid, "code": code})
