"""`python -m harness.measure.forks PACKAGE` imports what PACKAGE needs, then forks a process for each order.

A fork begins where a new process has its imports behind it, so that what takes a second takes some milliseconds.
Nothing runs here before it: each fork finds the modules as a new process would, and no state of the fork before.

The `__main__` of PACKAGE has `main()`, the program; `prepare()`, which imports what can be imported ahead; and perhaps
`fork()`, which is used in place of `os.fork`. Orders and replies are packets of JSON on the control socket:

order:   {"argv": [...], "env": {...}, "group": path or null}, with two descriptors: the log, the control channel
replies: {"pid": n} from the fork, once it leads its own session; {"exit": code} from here, once the fork has ended

One fork runs at a time. When the other side is gone, this process ends; so does a fork that reads its own channel.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import socket
import sys
from os import close  # the system's: gevent's `os.close` closes a socket when its event loop runs, which is never here
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.system.cpu_group import CpuGroup
from harness.system.process_guard import die_with_parent

if TYPE_CHECKING:
    from types import ModuleType

MAX_PACKET_BYTES = 1 << 20  # the environment is in it
DESCRIPTORS = 2
_OUTPUT = (1, 2)


def main() -> None:
    """Prepare, then fork for each order. Returns here only in a fork, and then runs its program."""
    parser = argparse.ArgumentParser(prog="python -m harness.measure.forks", description=__doc__)
    parser.add_argument("package", help="the package of the program")
    parser.add_argument("--control-fd", type=int, required=True, help="the inherited end of the control socket")
    options = parser.parse_args()
    os.set_inheritable(options.control_fd, False)
    die_with_parent(os.getppid())
    control = socket.socket(fileno=options.control_fd)
    module = importlib.import_module(f"{options.package}.__main__")
    module.prepare()
    gc.collect()
    gc.freeze()  # so that a collection in a fork does not copy pages that it shares with this process
    _become(module, *_await_order(module, control))
    sys.exit(module.main())


def _await_order(module: ModuleType, control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork for each order; returns, in the fork, its order and descriptors. Ends the process with the other side."""
    fork = getattr(module, "fork", os.fork)
    while True:
        packet, descriptors = _receive(control)
        if not packet:
            sys.exit(0)
        order = json.loads(packet)
        pid = fork()
        if pid == 0:
            if order["group"]:  # before it starts anything, so that all of that is counted with it
                CpuGroup(Path(order["group"])).add(os.getpid())
            os.setsid()
            control.send(json.dumps({"pid": os.getpid()}).encode())
            control.close()
            return order, descriptors
        for descriptor in descriptors:
            close(descriptor)
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            control.send(json.dumps({"exit": os.waitstatus_to_exitcode(status)}).encode())


def _become(module: ModuleType, order: dict[str, Any], descriptors: list[int]) -> None:
    """Make this fork what a new process with that command line would be."""
    log, channel = descriptors
    for output in _OUTPUT:
        os.dup2(log, output)
    os.close(log)
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = [str(module.__file__), *order["argv"], "--control-fd", str(channel)]
    if numpy_random := sys.modules.get("numpy.random"):
        numpy_random.seed()  # as `random` does by itself


def _receive(control: socket.socket) -> tuple[bytes, list[int]]:
    """The next packet and its descriptors; empty where the other side is gone."""
    try:
        packet, descriptors, _, _ = socket.recv_fds(control, MAX_PACKET_BYTES, DESCRIPTORS)
    except OSError:
        return b"", []
    return packet, descriptors


if __name__ == "__main__":
    main()
