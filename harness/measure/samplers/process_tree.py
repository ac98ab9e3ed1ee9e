"""Reads CPU time, memory and context switches of a process and of everything that it started.

/proc is read directly: psutil finds children by reading every process of the machine and counts the context switches
of the main thread only, and both matter beside a measurement. Where there is no /proc, psutil is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import psutil

from harness.clock import NS_PER_MS, NS_PER_S, MonotonicClock
from harness.measure.samplers.cost_bound import CostBound
from harness.measure.samplers.reading import Reading
from harness.measure.samplers.shared_memory import pss_bytes
from harness.system.cpu_group import group_cpu_ns, group_pids

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from harness.clock import Clock

HAS_CHILDREN_FILE = Path(f"/proc/self/task/{os.getpid()}/children").exists()
MEMORY_SHARE = 0.005  # of one core's time
MEMORY_NS = 2 * NS_PER_MS  # in one go: of a large process it is read once, before the load begins
TICKS_PER_S, PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
STAT_WORDS = 22  # of `/proc/PID/stat`, behind the name, up to those that are read
ENDED = (b"Z", b"X")  # states of a process that has ended and was not waited for, or is going
LIST_EVERY_NS = NS_PER_S  # finding children and asking every thread costs most, and changes least


class _Usage(NamedTuple):
    cpu_s: float
    rss_bytes: int
    threads: int


class ProcessTree:
    """Reads process `pid` and its descendants, which may start and end meanwhile.

    `cpu_s` is user and system time since each process began; it never falls. Without a control group, of children that
    have ended only those count that were waited for. `rss_bytes` counts a page that two processes share twice,
    `pss_bytes` once in all; it is read seldom, and absent where the system does not tell. `context_switches` are those
    of every thread seen, and like the list of descendants they are read once a second.

    Args:
        source: what it is in the samples.
        pid: the root of the tree.
        group: the control group that counts all that the root ever started; None where it has none of its own.
        clock: bounds what reading memory costs.
    """

    def __init__(self, source: str, pid: int, group: Path | None = None, clock: Clock | None = None) -> None:
        self.source = source
        self.pid = pid
        self.group = group
        self._memory_bound = CostBound(
            clock or MonotonicClock(), share=MEMORY_SHARE, every_ns=LIST_EVERY_NS, most_ns=MEMORY_NS
        )
        self._members: dict[int, psutil.Process] = {}
        self._switches: dict[int, int] = {}
        self._cpu_s = 0.0
        self._list_due_ns: int | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of the last listing that still ran at the last reading."""
        return tuple(self._members)

    def read(self, now_ns: int) -> list[Reading]:
        """`cpu_s`, `rss_bytes`, `threads`, and seldom `context_switches` and `pss_bytes`; an error if it is gone."""
        listing = self._list_due_ns is None or now_ns >= self._list_due_ns
        if listing:
            self._list_due_ns = now_ns + LIST_EVERY_NS
            self._list_members()
        try:
            root = _usage(self._members[self.pid])
        except (KeyError, psutil.NoSuchProcess):
            self._members.pop(self.pid, None)
            return [Reading(self.source, "cpu_s", None, f"process {self.pid} is gone")]
        except psutil.AccessDenied:
            return [Reading(self.source, "cpu_s", None, f"process {self.pid} may not be read by this user")]
        # The root is read first: a child that ends in between is then missing once, and `max` bridges that;
        # the other way round it would be counted twice.
        usages = [root, *self._usage_of_descendants()]
        self._cpu_s = max(self._cpu_s, self._cpu_s_of(usages))
        readings = [
            Reading(self.source, "cpu_s", self._cpu_s),
            Reading(self.source, "rss_bytes", float(sum(usage.rss_bytes for usage in usages))),
            Reading(self.source, "threads", float(sum(usage.threads for usage in usages))),
        ]
        if listing:
            for pid in self._members:
                self._switches.update(context_switches(pid))
            readings.append(Reading(self.source, "context_switches", float(sum(self._switches.values()))))
        if self._memory_bound.begin():
            sizes = [pss_bytes(pid) for pid in self._members]
            if sizes and None not in sizes:
                readings.append(Reading(self.source, "pss_bytes", float(sum(size or 0 for size in sizes))))
            self._memory_bound.end()
        return readings

    def _cpu_s_of(self, usages: Sequence[_Usage]) -> float:
        counted_ns = group_cpu_ns(self.group) if self.group else None
        return sum(usage.cpu_s for usage in usages) if counted_ns is None else counted_ns / NS_PER_S

    def _list_members(self) -> None:
        # A known member stays one when its parent ends before it and another process adopts it.
        living = {pid: process for pid, process in self._members.items() if process.is_running()}
        counted = group_pids(self.group) if self.group else []
        for pid in dict.fromkeys([self.pid, *descendants(self.pid), *counted]):
            if pid in living or (pid == self.pid and self._members):
                continue  # a root that has ended is not replaced by another process with its id
            try:
                living[pid] = psutil.Process(pid)
            except psutil.Error:
                continue
        self._members = living

    def _usage_of_descendants(self) -> Iterator[_Usage]:
        for pid, process in list(self._members.items()):
            if pid == self.pid:
                continue
            try:
                yield _usage(process)
            except psutil.Error:
                del self._members[pid]


def _usage(process: psutil.Process) -> _Usage:
    """Raises psutil.NoSuchProcess where it has ended, and psutil.AccessDenied."""
    if psutil.LINUX:
        return _usage_by_stat(process.pid)
    with process.oneshot():
        if process.status() == psutil.STATUS_ZOMBIE:
            raise psutil.NoSuchProcess(process.pid)
        return _Usage(sum(process.cpu_times()[:4]), process.memory_info().rss, process.num_threads())


def _usage_by_stat(pid: int) -> _Usage:
    """The same by one file (proc_pid_stat(5)), where psutil reads three."""
    words = _read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    if len(words) < STAT_WORDS or words[0] in ENDED:
        raise psutil.NoSuchProcess(pid)
    ticks = sum(map(int, words[11:15]))  # user and system, its own and those of children that were waited for
    return _Usage(ticks / TICKS_PER_S, int(words[21]) * PAGE_BYTES, int(words[17]))


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
