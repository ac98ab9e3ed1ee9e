"""CPU time of everything that runs on given cores, in nanoseconds.

`/proc/stat` counts in ticks of 10 ms, of which 100 ms hold ten. Control groups count exactly. Version 1's root counts
every task, core by core; version 2's root does not, but its groups do, all cores together and without kernel threads.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

from harness.system.cpu_group import ROOT, group_cpu_ns

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_WHOLE_MACHINE = 0.6  # of what /proc/stat says since the start; a container's groups show a part of the machine only
_V1_FILES = ("cpuacct/cpuacct.usage_percpu", "cpu,cpuacct/cpuacct.usage_percpu")


class CoreTime:
    """Adds up what ran since the first reading, on the cores that were named at each."""

    def __init__(self, root: Path = ROOT, busy_s: float | None = None) -> None:
        busy_ns = (_busy_s() if busy_s is None else busy_s) * 1e9
        files = [root / name for name in _V1_FILES]
        self._per_core = next((file for file in files if sum(_per_core_ns(file)) >= _WHOLE_MACHINE * busy_ns), None)
        self._root = root if self._per_core is None and _groups_ns(root) >= _WHOLE_MACHINE * busy_ns else None
        self._before: list[int] = []
        self._ran_ns = 0

    def read(self, cores: Collection[int]) -> int | None:
        """Nanoseconds since the first reading; None where nothing counts the whole machine exactly."""
        if self._per_core is not None:
            now, counted = _per_core_ns(self._per_core), set(cores)
        elif self._root is not None:
            now, counted = [_groups_ns(self._root)], {0}
        else:
            return None
        steps = zip(now, self._before, strict=False)
        self._ran_ns += sum(max(0, after - before) for core, (after, before) in enumerate(steps) if core in counted)
        self._before = now
        return self._ran_ns


def _per_core_ns(file: Path) -> list[int]:
    try:
        return [int(word) for word in file.read_bytes().split()]
    except OSError:
        return []


def _groups_ns(root: Path) -> int:
    total_ns = 0
    with contextlib.suppress(OSError):
        total_ns = sum(group_cpu_ns(folder) or 0 for folder in root.iterdir() if (folder / "cgroup.procs").exists())
    return total_ns


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(times.user + times.system)
