"""Starts processes as forks of one that has imported what they need (`__main__.py` beside this)."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

from harness.clock import NS_PER_S, monotonic_ns
from harness.errors import RunError
from harness.measure.forks.__main__ import MAX_PACKET_BYTES
from harness.measure.load_command import LOCUST
from harness.measure.samplers.sampler_process import SAMPLERS
from harness.system.child_process import ChildProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.system.cpu_cores import Cores, Isolation
    from harness.system.cpu_group import CpuGroup

IMPORT_LIMIT_S = 60.0
LOOK_S = 1.0
KILLED = -9
_WORDS_BEFORE = 3  # python -m PACKAGE


class ForkServer:
    """A process that has imported `package` and forks it. Nothing is forked once it is gone: `fork` then returns None.

    It is started at once and imports while this process goes on. Call from one thread, which must outlive it.

    Args:
        package: of the program; its `__main__` has `main()` and `prepare()`.
        cores: the CPU cores it and its forks may use; all where empty.
    """

    def __init__(self, package: str, cores: Cores = ()) -> None:
        self._package = package
        self._socket, inherited = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inherited:
            self._process = ChildProcess(
                [sys.executable, "-m", "harness.measure.forks", package], cores=cores, control=inherited.fileno()
            )
        self._gone = False

    def fork(self, argv: Sequence[str], log: int, control: int | None, group: CpuGroup | None) -> ForkedProcess | None:
        """Fork `python -m PACKAGE ...`. Returns None where that fails, so that a new process has to be started."""
        if self._gone or control is None or argv[2] != self._package:
            return None
        order = {
            "argv": argv[_WORDS_BEFORE:], "env": dict(os.environ), "group": str(group.path) if group else None
        }  # fmt: skip
        try:
            socket.send_fds(self._socket, [json.dumps(order).encode()], [log, control])
            reply = self.receive(IMPORT_LIMIT_S) or {}
        except OSError:  # a time-out too
            reply = {}
        if "pid" in reply:
            return ForkedProcess(self, reply["pid"])
        self._gone = True
        self._process.kill()
        return None

    def receive(self, timeout_s: float | None) -> dict[str, Any] | None:
        """The next reply; None where the fork server is gone. Raises TimeoutError.

        The fork server is continued meanwhile: one that is stopped would never reply.
        """
        deadline_ns = None if timeout_s is None else monotonic_ns() + round(timeout_s * NS_PER_S)
        while True:
            self._process.wake()
            left_s = LOOK_S if deadline_ns is None else max((deadline_ns - monotonic_ns()) / NS_PER_S, 0.0)
            self._socket.settimeout(min(left_s, LOOK_S))
            try:
                packet = self._socket.recv(MAX_PACKET_BYTES)
            except (TimeoutError, BlockingIOError):
                if deadline_ns is not None and left_s <= LOOK_S:
                    raise TimeoutError from None
                continue
            except OSError:
                packet = b""
            self._gone = self._gone or not packet
            return json.loads(packet) if packet else None

    def close(self) -> None:
        """End it."""
        self._gone = True
        self._socket.close()
        self._process.kill()
        self._process.close()


class ForkedProcess:
    """A fork, with the methods of `subprocess.Popen` that `ChildProcess` uses."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.pid = pid
        self._server = server
        self._exit_code: int | None = None

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        try:
            return self.wait(0.0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, KILLED where the fork server was killed before it. Raises subprocess.TimeoutExpired."""
        if self._exit_code is None:
            try:
                reply = self._server.receive(timeout)
            except TimeoutError as error:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0) from error
            self._exit_code = KILLED if reply is None else reply["exit"]
        return self._exit_code


class TrialForks:
    """Fork servers of the processes that every trial needs: the load and the samplers.

    Args:
        cores: the CPU cores they may use; all where empty.
        ahead: modules that this process needs after its first trial; a thread imports them meanwhile.
    """

    def __init__(self, cores: Cores, ahead: Sequence[str] = ()) -> None:
        self.load = ForkServer(LOCUST, cores)
        try:
            self.samplers = ForkServer(SAMPLERS, cores)
        except OSError:
            self.load.close()
            raise
        self._imports = threading.Thread(target=_import, args=(ahead,), name="imports", daemon=True)
        self._imports.start()

    def await_imports(self) -> None:
        """Wait until the modules are imported, so that this does not compete with a load."""
        self._imports.join()

    def close(self) -> None:
        """End both."""
        self.load.close()
        self.samplers.close()


def _import(names: Sequence[str]) -> None:
    for name in names:
        with contextlib.suppress(Exception):  # whoever needs the module will find out, and can say what for
            importlib.import_module(name)


@contextlib.contextmanager
def trial_forks(isolation: Isolation, ahead: Sequence[str] = ()) -> Iterator[TrialForks | None]:
    """Fork servers for the trials of a run; None where a fork is no safe copy of its process (macOS, Windows).

    Raises RunError where no process can be started.
    """
    if sys.platform != "linux":
        yield None
        return
    try:
        forks = TrialForks(isolation.load_cores, ahead)
    except OSError as error:
        text = f"no process can be started ({error.strerror}); see `ulimit -u`, `ulimit -n` and the free memory"
        raise RunError(text) from error
    try:
        yield forks
    finally:
        forks.close()
