"""What Linux tells of a process's threads in /proc, and what stands in for it elsewhere.

psutil finds children by reading every process of the machine, and counts the context switches of the main
thread only; both matter here, since this is read beside a measurement.
"""

from __future__ import annotations

import os
from pathlib import Path

import psutil

HAS_CHILDREN_FILE = Path(f"/proc/self/task/{os.getpid()}/children").exists()


def descendants(pid: int) -> list[int]:
    """Process ids of all that `pid` and its children started and that still descend from it; empty where it is gone."""
    if not HAS_CHILDREN_FILE:
        try:
            return [child.pid for child in psutil.Process(pid).children(recursive=True)]
        except psutil.Error:
            return []
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = _children(waiting.pop())
        found += children
        waiting += children
    return found


def context_switches(pid: int) -> dict[int, int]:
    """Voluntary and other context switches so far, by thread id; empty where the process is gone."""
    if not psutil.LINUX:
        try:
            return {pid: sum(psutil.Process(pid).num_ctx_switches())}
        except psutil.Error:
            return {}
    counts: dict[int, int] = {}
    for thread in _threads(pid):
        lines = _read(f"/proc/{pid}/task/{thread}/status").splitlines()
        switches = [int(line.rsplit(maxsplit=1)[1]) for line in lines if b"ctxt_switches:" in line]
        if switches:
            counts[thread] = sum(switches)
    return counts


def _children(pid: int) -> list[int]:
    return [int(word) for thread in _threads(pid) for word in _read(f"/proc/{pid}/task/{thread}/children").split()]


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208  (names are enough)
    except OSError:
        return []


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  (four times cheaper than Path, and often)
            return file.read()
    except OSError:
        return b""  # the thread has ended since it was listed
