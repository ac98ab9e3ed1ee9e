"""Reads CPU time, memory and context switches of a process and of everything that it started.

/proc is read directly: psutil finds children by reading every process of the machine and counts the context switches
of the main thread only, and both matter beside a measurement. Where there is no /proc, psutil is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from harness.clock import NS_PER_S
from harness.measure.samplers.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

HAS_CHILDREN_FILE = Path(f"/proc/self/task/{os.getpid()}/children").exists()
LIST_EVERY_NS = NS_PER_S  # finding children and asking every thread costs most, and changes least


class _Usage(NamedTuple):
    cpu_s: float
    rss_bytes: int
    threads: int


class ProcessTree:
    """Reads process `pid` and its descendants, which may start and end meanwhile.

    `cpu_s` is user and system time since each process began, with that of children that have ended and were
    waited for; it never falls. `rss_bytes` counts a page that two processes share twice. `context_switches`
    are those of every thread seen, and like the list of descendants they are read once a second.
    """

    def __init__(self, source: str, pid: int) -> None:
        self._source = source
        self._pid = pid
        self._members: dict[int, psutil.Process] = {}
        self._switches: dict[int, int] = {}
        self._cpu_s = 0.0
        self._list_due_ns: int | None = None

    def read(self, now_ns: int) -> list[Reading]:
        """`cpu_s`, `rss_bytes`, `threads`, and once a second `context_switches`; one error where `pid` is gone."""
        listing = self._list_due_ns is None or now_ns >= self._list_due_ns
        if listing:
            self._list_due_ns = now_ns + LIST_EVERY_NS
            self._list_members()
        try:
            root = _usage(self._members[self._pid])
        except (KeyError, psutil.NoSuchProcess):
            self._members.pop(self._pid, None)
            return [Reading(self._source, "cpu_s", None, f"process {self._pid} is gone")]
        except psutil.AccessDenied:
            return [Reading(self._source, "cpu_s", None, f"process {self._pid} may not be read by this user")]
        # The root is read first: a child that ends in between is then missing once, and `max` bridges that;
        # the other way round it would be counted twice.
        usages = [root, *self._usage_of_descendants()]
        self._cpu_s = max(self._cpu_s, sum(usage.cpu_s for usage in usages))
        readings = [
            Reading(self._source, "cpu_s", self._cpu_s),
            Reading(self._source, "rss_bytes", float(sum(usage.rss_bytes for usage in usages))),
            Reading(self._source, "threads", float(sum(usage.threads for usage in usages))),
        ]
        if listing:
            for pid in self._members:
                self._switches.update(context_switches(pid))
            readings.append(Reading(self._source, "context_switches", float(sum(self._switches.values()))))
        return readings

    def _list_members(self) -> None:
        # A known member stays one when its parent ends before it and another process adopts it.
        living = {pid: process for pid, process in self._members.items() if process.is_running()}
        for pid in [self._pid, *descendants(self._pid)]:
            if pid in living or (pid == self._pid and self._members):
                continue  # a root that is gone stays gone, whoever has its number now
            try:
                living[pid] = psutil.Process(pid)
            except psutil.Error:
                continue
        self._members = living

    def _usage_of_descendants(self) -> Iterator[_Usage]:
        for pid, process in list(self._members.items()):
            if pid == self._pid:
                continue
            try:
                yield _usage(process)
            except psutil.Error:
                del self._members[pid]


def _usage(process: psutil.Process) -> _Usage:
    with process.oneshot():
        if process.status() == psutil.STATUS_ZOMBIE:
            raise psutil.NoSuchProcess(process.pid)
        return _Usage(sum(process.cpu_times()[:4]), process.memory_info().rss, process.num_threads())


def descendants(pid: int) -> list[int]:
    """Process ids of the living descendants of `pid`; empty where it is gone."""
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
