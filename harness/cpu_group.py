"""A control group of the target's own, which counts the CPU time of all that it ever started.

A process's own counters miss children that nobody waits for: those whose parent ignores SIGCHLD, and orphans. A control
group counts every thread in nanoseconds, and costs the target nothing. Making one takes the right to write to
/sys/fs/cgroup, as root has it outside of containers, and users in a delegated group; without that there is none.
"""

from __future__ import annotations

import contextlib
import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path("/sys/fs/cgroup")
_V1_CONTROLLERS = ("cpuacct", "cpu,cpuacct")
_NUMBERS = count(1)


class CpuGroup:
    """An empty group until `add`; leaving the context removes it, once all its processes have ended."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(cls, root: Path = ROOT, membership: Path = Path("/proc/self/cgroup")) -> Self | None:
        """A new group below this process's own; None where that is not allowed or there are no control groups."""
        for parent in _parents(root, membership):
            path = parent / f"sweepspot-{os.getpid()}-{next(_NUMBERS)}"
            try:
                path.mkdir()
            except OSError:
                continue
            group = cls(path)
            if group_cpu_ns(path) is not None and os.access(path / "cgroup.procs", os.W_OK):
                return group
            group.remove()
        return None

    def add(self, pid: int) -> bool:
        """Move a process into the group, before it starts others; False where that is refused."""
        try:
            (self.path / "cgroup.procs").write_text(str(pid))
        except OSError:
            return False
        return True

    def remove(self) -> None:
        """Remove it; a group in which a process is left stays."""
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.remove()


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


def _parents(root: Path, membership: Path) -> list[Path]:
    """The group of this process in each hierarchy that counts CPU time, version 1 first: where both are, it counts."""
    try:
        lines = [line.split(":", 2) for line in membership.read_text().splitlines()]
    except OSError:
        return []
    own = {name: path.strip("/") for _, controllers, path in lines for name in (controllers, *controllers.split(","))}
    version1 = [root / name / own[name] for name in _V1_CONTROLLERS if name in own]
    version2 = [base / own[""] for base in (root, root / "unified") if "" in own]
    return [path for path in (*version1, *version2) if (path / "cgroup.procs").exists()]
