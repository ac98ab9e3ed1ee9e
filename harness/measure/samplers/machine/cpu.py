"""Reads how busy each core of the machine was, and the time that the hypervisor took away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from harness.measure.samplers.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

Times = tuple[float, float]  # seconds not idle, seconds in all


class Machine:
    """Reads per-core CPU times (on Linux /proc/stat, whose ticks are 10 ms).

    `cpu_percent` of a core is the share of time since the last reading in which it was not idle; time stolen
    by the hypervisor counts, since work was waiting. The first reading has no span and gives none.
    """

    def __init__(self, cpu_times: Callable[[], Sequence[Any]] = lambda: psutil.cpu_times(percpu=True)) -> None:
        self._cpu_times = cpu_times
        self._before: list[Times] = []

    def read(self, now_ns: int) -> list[Reading]:
        """`cpu_percent` of every core, `steal_s` of the machine where the system counts it."""
        del now_ns
        try:
            cores = self._cpu_times()
        except OSError as error:
            return [Reading("machine", "steal_s", None, f"cannot read CPU times: {error.strerror}")]
        now = [_times(core) for core in cores]
        readings = [
            Reading(f"cpu{number}", "cpu_percent", _percent(busy - busy_before, total - total_before))
            for number, ((busy, total), (busy_before, total_before)) in enumerate(zip(now, self._before, strict=False))
            if total > total_before
        ]
        self._before = now
        if hasattr(cores[0], "steal"):
            readings.append(Reading("machine", "steal_s", sum(core.steal for core in cores)))
        return readings


def _times(core: Any) -> Times:
    # Linux counts guest time inside user and nice already.
    total = sum(core) - getattr(core, "guest", 0.0) - getattr(core, "guest_nice", 0.0)
    return total - core.idle - getattr(core, "iowait", 0.0), total


def _percent(busy_s: float, total_s: float) -> float:
    # The kernel's idle and iowait are estimates that can run backwards by a tick.
    return min(100.0, max(0.0, 100 * busy_s / total_s))
