"""A process tree: what a process and all it started have used."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import psutil

from harness.clock import NS_PER_S
from harness.measure.samplers.procfs import context_switches, descendants
from harness.measure.samplers.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

LIST_EVERY_NS = NS_PER_S  # finding children and asking every thread costs most, and changes least


class _Usage(NamedTuple):
    cpu_s: float
    rss_bytes: int
    threads: int


class ProcessTree:
    """Reads process `pid` and its descendants, which may come and go.

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
