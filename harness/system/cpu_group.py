"""A control group of a child process's own, which counts the CPU time of all that it ever started.

A process's own counters miss children that nobody waits for: those whose parent ignores SIGCHLD, and orphans. A control
group counts every thread in nanoseconds, and costs the process nothing. Making one takes the right to write to
/sys/fs/cgroup, as root has it outside of containers, and users in a delegated group; without that there is none.
"""

from __future__ import annotations

import contextlib
import os
from itertools import count
from pathlib import Path
from typing import Self

ROOT = Path("/sys/fs/cgroup")
_PREFIX = "sweepspot-"
_NUMBERS = count(1)


class CpuGroup:
    """An empty group until `add`; leaving the context removes it, once all its processes have ended."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(cls, root: Path = ROOT, membership: Path = Path("/proc/self/cgroup")) -> Self | None:
        """A new group below this process's own; None where that is not allowed or there are no control groups."""
        for parent in _parents(root, membership):
            _remove_left_over(parent)
            path = parent / f"{_PREFIX}{os.getpid()}-{next(_NUMBERS)}"
            try:
                path.mkdir()
            except OSError:
                continue
            group = cls(path)
            if group_cpu_ns(path) is not None and os.access(group.members, os.W_OK):
                return group
            group.remove()
        return None

    @property
    def members(self) -> Path:
        """The file that lists its processes."""
        return self.path / "cgroup.procs"

    def add(self, pid: int) -> bool:
        """Move a process into the group, before it starts others; False where that is refused."""
        try:
            self.members.write_text(str(pid))
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """Remove it; a group in which a process is left stays."""
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def is_own_name(name: str) -> bool:
    """Whether a group of that name was made by `CpuGroup.make`."""
    return name.startswith(_PREFIX)


def group_of(pid: int, root: Path = ROOT) -> Path | None:
    """The folder of the group that `CpuGroup.make` made for a process; None where it has none."""
    for path in _parents(root, Path(f"/proc/{pid}/cgroup")):
        if is_own_name(path.name):
            return path
    return None


def group_cpu_ns(path: Path) -> int | None:
    """CPU time of all that ever ran in a group and in those below it; None where the group does not count it."""
    with contextlib.suppress(OSError):
        return int((path / "cpuacct.usage").read_bytes())  # version 1
    with contextlib.suppress(OSError):
        for line in (path / "cpu.stat").read_bytes().splitlines():  # version 2
            if line.startswith(b"usage_usec "):
                return int(line.split()[1]) * 1000
    return None


def group_pids(path: Path) -> list[int]:
    """Its living processes, orphans included; empty where it is gone."""
    try:
        return [int(word) for word in (path / "cgroup.procs").read_bytes().split()]
    except OSError:
        return []


def _remove_left_over(parent: Path) -> None:
    """Remove the empty groups of runs that were killed; the kernel refuses it for those in use."""
    for path in parent.glob(f"{_PREFIX}*"):
        if not Path(f"/proc/{path.name.split('-')[1]}").exists():
            with contextlib.suppress(OSError):
                path.rmdir()


def _parents(root: Path, membership: Path) -> list[Path]:
    """A process's group in each hierarchy that counts CPU time and does not schedule by group, version 1 first."""
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return []
    own = {controllers: path.strip("/") for _, controllers, path in lines}
    version1 = [root / "cpuacct" / own["cpuacct"]] if "cpuacct" in own else []
    version2 = [base / own[""] for base in (root, root / "unified") if "" in own]
    return [path for path in (*version1, *version2) if (path / "cgroup.procs").exists() and not _schedules(path)]


def _schedules(path: Path) -> bool:
    """Whether a group below this one would be given CPU time as a group, which is not to be changed."""
    try:
        return "cpu" in (path / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
