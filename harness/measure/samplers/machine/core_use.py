"""Which processes ran on the cores of target and load, and how long the threads of both waited for a core."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from harness.clock import NS_PER_S, cpu_ns
from harness.measure.samplers.cost_bound import CostBound
from harness.measure.samplers.machine.core_time import CoreTime
from harness.measure.samplers.machine.foreign_processes import ForeignProcesses
from harness.measure.samplers.reading import Reading
from harness.measure.samplers.thread_times import ThreadTimes
from harness.system.cpu_group import group_cpu_ns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.clock import Clock
    from harness.measure.samplers.process_tree import ProcessTree

SHARE = 0.01  # of one core's time, for each of the two readers
SCAN_EVERY_NS = NS_PER_S


class CoreUse:
    """Reads everything at nearly one instant, so that differences between the figures are exact.

    "cores" `ran_s`: everything that ran on the cores on which `trees` may run. Of each tree, and of the samplers:
    `ran_s` and `waited_s`. All are cumulative, counted in nanoseconds, and absent where the system does not count them.
    """

    def __init__(self, trees: Sequence[ProcessTree], clock: Clock) -> None:
        self._trees = trees
        self._threads = [ThreadTimes() for _ in trees]
        self._cores = CoreTime()
        self._bound = CostBound(clock, share=SHARE)

    def read(self, now_ns: int) -> list[Reading]:
        """The counters; nothing where the last reading took so long that this one would cost too much."""
        del now_ns
        if not self._bound.begin():
            return []
        readings = [Reading("sampler", "ran_s", cpu_ns() / NS_PER_S)]
        for tree, threads in zip(self._trees, self._threads, strict=True):
            times = threads.read(tree.pids)
            ran_ns = (group_cpu_ns(tree.group) if tree.group else None) or (times.ran_ns if times else None)
            if tree.pids and times is not None and ran_ns is not None:
                readings.append(Reading(tree.source, "ran_s", ran_ns / NS_PER_S))
                readings.append(Reading(tree.source, "waited_s", times.waited_ns / NS_PER_S))
        cores_ns = self._cores.read(_cores_of([tree.pid for tree in self._trees]))
        if cores_ns is not None:
            readings.append(Reading("cores", "ran_s", cores_ns / NS_PER_S))
        self._bound.end()
        return readings


class Strangers:
    """Reads who else ran: `cpu_s` of each of the busiest programs since the trial began, once a second or less often.

    The source is "process:NAME:PID:GROUP"; the name is the kernel's short one, without arguments.
    """

    def __init__(self, trees: Sequence[ProcessTree], clock: Clock) -> None:
        self._trees = trees
        self._processes = ForeignProcesses({os.getpid()})
        self._bound = CostBound(clock, share=SHARE, every_ns=SCAN_EVERY_NS)

    def read(self, now_ns: int) -> list[Reading]:
        """The busiest so far."""
        del now_ns
        if not self._bound.begin():
            return []
        found = self._processes.scan([pid for tree in self._trees for pid in (tree.pid, *tree.pids)])
        self._bound.end()
        return [
            Reading(f"process:{process.name.replace(':', ' ')}:{process.pid}:{process.group}", "cpu_s", process.cpu_s)
            for process in found
        ]


def _cores_of(pids: Sequence[int]) -> set[int]:
    cores: set[int] = set()
    for pid in pids:
        try:
            cores |= os.sched_getaffinity(pid)
        except (OSError, AttributeError):  # it has ended; or a system without affinity
            continue
    return cores
