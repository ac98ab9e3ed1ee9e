"""A child process that is kept: started again when it dies, with a pause that grows while it keeps dying."""

from __future__ import annotations

import subprocess
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.child_process import ControlChannel
from harness.clock import NS_PER_S, monotonic_ns
from harness.cpu_cores import pin

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from harness.child_process import Message
    from harness.cpu_cores import Cores

RESTART_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
STEADY_NS = 10 * NS_PER_S  # who lived so long is started again without a longer pause


@dataclass(frozen=True, slots=True)
class Launch:
    """How one start is done: the command line, what the child inherits beside its control channel, and its cores.

    `theirs` are closed here once the child has them. Without cores it runs where its parent may.
    """

    argv: list[str]
    theirs: tuple[socket.socket, ...] = ()
    descriptors: tuple[int, ...] = ()
    cores: Cores = ()


class Child:
    """One child, started again and again until `stop`. Its thread reads what it says, and tells of its end.

    Every start takes a new `launch()`. `hear` gets the child's own messages and, at its end,
    `{"event": "gone", "pid": ..., "code": ...}`; it is called from the child's thread.
    """

    def __init__(self, launch: Callable[[], Launch], hear: Callable[[Child, Message], None]) -> None:
        self._launch = launch
        self._hear = hear
        self._control: ControlChannel | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="child", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def tell(self, message: Message) -> None:
        """Send, if it is alive."""
        if self._control is not None:
            self._control.send(message)

    def stop(self) -> None:
        """Let it drain and not come back."""
        self._stopping.set()
        self.tell({"stop": True})

    def join(self, timeout_s: float) -> None:
        """Wait for its end; kill it when it takes longer."""
        self._thread.join(timeout_s)
        self.kill()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()

    def _keep(self) -> None:
        pause_s = RESTART_PAUSE_S
        while not self._stopping.is_set():
            start_ns = monotonic_ns()
            self._live()
            if self._stopping.is_set():
                return
            pause_s = RESTART_PAUSE_S if monotonic_ns() - start_ns > STEADY_NS else min(2 * pause_s, MAX_PAUSE_S)
            self._stopping.wait(pause_s)

    def _live(self) -> None:
        control, theirs = ControlChannel.pair()
        launch = self._launch()
        argv = [*launch.argv, "--control-fd", str(theirs.fileno())]
        inherited = (theirs.fileno(), *(sock.fileno() for sock in launch.theirs), *launch.descriptors)
        process = subprocess.Popen(argv, pass_fds=inherited, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        for sock in (theirs, *launch.theirs):
            sock.close()
        if launch.cores:
            pin(process.pid, launch.cores)
        self._process, self._control = process, control
        if self._stopping.is_set():  # asked between the loop's look and now
            control.send({"stop": True})
        while (message := control.receive()) is not None:
            self._hear(self, message)
        code = process.wait()
        self._control = None
        control.close()
        self._hear(self, {"event": "gone", "pid": process.pid, "code": code})
