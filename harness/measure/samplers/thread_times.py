"""How long the threads of processes ran, and how long they were ready to run and waited for a core.

Linux counts both in nanoseconds, in the first two numbers of `/proc/PID/task/TID/schedstat` (its documentation:
sched-stats.rst). A file is kept open per thread: a reading then takes 1 us instead of 10.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_OPEN_FILES = 512
HAS_SCHEDSTAT = os.path.exists("/proc/self/schedstat")  # noqa: PTH110  (asked once)


class Times(NamedTuple):
    """Of all threads together, since the first reading or their start; neither ever falls."""

    ran_ns: int
    waited_ns: int


class ThreadTimes:
    """Adds up the threads of processes that come and go; what a thread did in its last 100 ms is lost."""

    def __init__(self) -> None:
        self._files: dict[int, int] = {}
        self._seen: dict[int, Times] = {}
        self._ran_ns = self._waited_ns = 0

    def read(self, pids: Iterable[int]) -> Times | None:
        """The times of all threads of `pids` and of those that ended before; None where the system counts none."""
        if not HAS_SCHEDSTAT:
            return None
        living = {thread: pid for pid in pids for thread in _threads(pid)}
        for thread in self._seen.keys() - living.keys():
            self._forget(thread)
        for thread, pid in living.items():
            times = self._times(pid, thread)
            if times is None:
                self._forget(thread)
                continue
            before = self._seen.get(thread, Times(0, 0))
            self._ran_ns += max(0, times.ran_ns - before.ran_ns)
            self._waited_ns += max(0, times.waited_ns - before.waited_ns)
            self._seen[thread] = times
        return Times(self._ran_ns, self._waited_ns)

    def _times(self, pid: int, thread: int) -> Times | None:
        try:
            if thread in self._files:
                return _parse(os.pread(self._files[thread], 64, 0))
            file = os.open(f"/proc/{pid}/task/{thread}/schedstat", os.O_RDONLY)
        except OSError:
            return None  # the thread has ended
        if len(self._files) < MOST_OPEN_FILES:
            self._files[thread] = file
            return self._times(pid, thread)
        try:
            return _parse(os.read(file, 64))
        finally:
            os.close(file)

    def _forget(self, thread: int) -> None:
        self._seen.pop(thread, None)
        file = self._files.pop(thread, None)
        if file is not None:
            os.close(file)

    def close(self) -> None:
        """Close all files."""
        for thread in list(self._files):
            self._forget(thread)


def _parse(line: bytes) -> Times | None:
    words = line.split()
    return Times(int(words[0]), int(words[1])) if len(words) == 3 else None


def _threads(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]  # noqa: PTH208  (names are enough)
    return []
