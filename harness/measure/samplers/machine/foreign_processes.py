"""Who else uses the machine's cores: processes that belong neither to the target nor to the load, by name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from harness.system.cpu_group import is_own_name

if TYPE_CHECKING:
    from collections.abc import Collection

HAS_PROC = os.path.exists("/proc/self/stat")  # noqa: PTH110  (asked once)
_NAMING = ("", "name=systemd", "cpu,cpuacct", "cpuacct")  # hierarchies in which services and containers have names
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class _Process(NamedTuple):
    name: str
    session: int
    cpu_s: float


@dataclass(frozen=True, slots=True)
class ForeignProcess:
    """A program that ran beside the trial. `pid` is that of its busiest process, `group` its control group or ""."""

    name: str
    pid: int
    group: str
    cpu_s: float  # of all processes of that name, since the first scan


class ForeignProcesses:
    """Looks through all processes; a scan costs some 10 us for each. One that lives between two scans is not seen.

    Args:
        own_pids: processes of the run that are no descendants of target or load: the samplers, the harness itself.
    """

    def __init__(self, own_pids: Collection[int]) -> None:
        self._own_pids = frozenset(own_pids)
        self._before: dict[int, float] = {}
        self._used: dict[str, tuple[float, float, int]] = {}  # by name: seconds, those of the busiest, its pid
        self._first = True

    def scan(self, members: Collection[int], most: int = 3) -> list[ForeignProcess]:
        """The `most` busiest since the first scan that are none of `members` nor of a session that one of them leads.

        An orphan of the target stays in its session, so that it is not taken for a stranger.
        """
        if not HAS_PROC:
            return []
        ours = self._own_pids | frozenset(members)
        now = {pid: process for pid in _pids() if pid not in ours and (process := _read(pid)) is not None}
        for pid, process in now.items():
            step = process.cpu_s - self._before.get(pid, process.cpu_s if self._first else 0.0)
            if process.session not in ours and step > 0:
                total, busiest, of = self._used.get(process.name, (0.0, 0.0, pid))
                self._used[process.name] = (total + step, *max((busiest, of), (step, pid)))
        self._before = {pid: process.cpu_s for pid, process in now.items()}
        self._first = False
        ranked = sorted(self._used.items(), key=lambda item: -item[1][0])[:most]
        return [ForeignProcess(name, pid, _group(pid), total) for name, (total, _, pid) in ranked]


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  (names are enough)


def _read(pid: int) -> _Process | None:
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123  (four times cheaper than Path)
            before, _, after = file.read().rpartition(b")")
    except OSError:
        return None
    words = after.split()
    if len(words) < 13:
        return None
    name = before.partition(b"(")[2].decode(errors="replace")
    return _Process(name, int(words[3]), (int(words[11]) + int(words[12])) * _TICK_S)


def _group(pid: int) -> str:
    """The last part of its control group's path, a service's or a container's; empty for none, or where it is gone."""
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return ""
    paths = {controllers: path for _, controllers, path in lines}
    named = (paths.get(name, "").rpartition("/")[2] for name in _NAMING)
    return next((name for name in named if name and not is_own_name(name)), "")
