"""Finds the process that listens on a port of this machine, whoever started it."""

from __future__ import annotations

import contextlib
import ipaddress
import os
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable


# They listen here for a server in a container or on another machine.
FORWARDERS = frozenset({"ssh", "docker-proxy", "rootlessport", "slirp4netns", "pasta", "kubectl", "socat"})


def server_process(started: int | None, host: str, port: int) -> int | None:
    """The root of the processes of a server that was started as process `started`, or by it, and listens on `port`.

    That is `started` where it or a descendant listens, else the process that does: a server may leave the process that
    started it. None where that cannot be said: the server is on another machine, belongs to another user, or something
    that only forwards to it listens here.
    """
    if not _is_here(host):
        return None
    if started is not None and any(_listens(process, port) for process in _tree(started)):
        return started
    listeners = {process.pid: process for process in psutil.process_iter() if _listens(process, port)}
    tops = [process for process in listeners.values() if _parent(process) not in listeners]
    return min((process.pid for process in tops), default=None)


def is_alive(pid: int) -> bool:
    """Whether the process runs."""
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def leads_group(pid: int) -> bool:
    """Whether a process group has the number of that process."""
    with contextlib.suppress(OSError):
        return os.getpgid(pid) == pid
    return False


def signal_tree(pid: int, number: int) -> None:
    """Send a signal to a process and all of its descendants."""
    for process in _tree(pid):
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def _is_here(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _tree(pid: int) -> Iterable[psutil.Process]:
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def _listens(process: psutil.Process, port: int) -> bool:
    with contextlib.suppress(psutil.Error):
        if process.name() in FORWARDERS:
            return False
        found = process.net_connections("tcp")
        return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in found)
    return False


def _parent(process: psutil.Process) -> int | None:
    with contextlib.suppress(psutil.Error):
        return process.ppid()
    return None
