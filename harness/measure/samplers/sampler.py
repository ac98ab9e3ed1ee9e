"""The sampler reads every reader at every tick, and records its own cost and lateness."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from harness.clock import NS_PER_MS, NS_PER_S, MonotonicClock, cpu_ns, monotonic_ns
from harness.measure.samplers.machine.core_use import CoreUse, Strangers
from harness.measure.samplers.machine.cpu import Machine
from harness.measure.samplers.machine.energy import EnergyAbsentError, PackageEnergy
from harness.measure.samplers.machine.gpu import GpuAbsentError, Gpus
from harness.measure.samplers.machine.memory_access import MemoryAccess
from harness.measure.samplers.process_tree import ProcessTree
from harness.measure.samplers.reading import Reading
from harness.record.samples import Sample
from harness.system.cpu_group import group_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.clock import Clock
    from harness.measure.samplers.reading import Reader
    from harness.measure.samplers.ticks import Tick, Timer
    from harness.record.samples import SampleWriter


MEMORY_EVERY_NS = 150 * NS_PER_MS  # so that every second tick of 100 ms reads it


class StoppableClock:
    """CLOCK_MONOTONIC whose sleep ends early once `stop` was called."""

    def __init__(self) -> None:
        self._stopped = threading.Event()

    def now_ns(self) -> int:
        """Nanoseconds since the machine started."""
        return monotonic_ns()

    def sleep_until_ns(self, deadline_ns: int) -> None:
        """Sleep until the deadline or the stop, whichever is first."""
        self._stopped.wait(max(0, deadline_ns - monotonic_ns()) / NS_PER_S)

    def stop(self) -> None:
        """Wake the sleeper; callable from any thread or signal handler."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()


class Own:
    """Reads the sampler's own CPU time, and the number of skipped ticks where there are any."""

    def __init__(self) -> None:
        self.skipped = 0

    def read(self, now_ns: int) -> list[Reading]:
        """`cpu_s` of this process since it began, imports included."""
        del now_ns
        readings = [Reading("sampler", "cpu_s", cpu_ns() / NS_PER_S)]
        if self.skipped:
            readings.append(Reading("sampler", "skipped", float(self.skipped)))
        return readings


class ReaderNote:
    """Reports a text once, at the first tick, as a sample without a value."""

    def __init__(self, text: str) -> None:
        self._text: str | None = text

    def read(self, now_ns: int) -> list[Reading]:
        """The note, then nothing."""
        del now_ns
        text, self._text = self._text, None
        return [Reading("sampler", "note", None, text)] if text else []


def make_readers(target_pid: int | None, load_pid: int | None) -> list[Reader]:
    """The readers for this machine; where it has no GPU, a note instead."""
    clock, known = MonotonicClock(), {"target": target_pid, "load": load_pid}
    trees = [ProcessTree(source, pid, group_of(pid), clock) for source, pid in known.items() if pid is not None]
    readers: list[Reader] = [*trees, CoreUse(trees, clock), Strangers(trees, clock)]
    readers.append(Machine())
    try:
        readers.append(Gpus())
    except GpuAbsentError as absent:
        readers.append(ReaderNote(f"no GPU samples: {absent}"))
    try:
        readers.append(PackageEnergy())
    except EnergyAbsentError as absent_energy:
        readers.append(ReaderNote(f"no energy samples: {absent_energy}"))
    if target_pid is not None:
        # Last, since it may have to wait for the target's core.
        readers.append(MemoryAccess(target_pid, clock, MEMORY_EVERY_NS))
    return readers


class Sampler:
    """Reads all `readers` at every tick of a timer."""

    def __init__(self, clock: Clock, readers: Sequence[Reader]) -> None:
        self._clock = clock
        self._own = Own()
        self._readers = [*readers, self._own]  # itself last: the tick's own cost is in it

    def samples(self, tick: Tick) -> list[Sample]:
        """One sample per reading, each with the instant at which its reader was asked."""
        self._own.skipped = tick.skipped
        samples: list[Sample] = []
        for reader in self._readers:
            now_ns = self._clock.now_ns()
            late_ns = max(0, now_ns - tick.due_ns)  # the last reading, at the stop, is ahead of its deadline
            samples += [
                Sample(t_ns=now_ns, late_ns=late_ns, source=source, metric=metric, value=value, error=error)
                for source, metric, value, error in reader.read(now_ns)
            ]
        return samples


def run(
    sampler: Sampler, timer: Timer, writer: SampleWriter, stopped: Callable[[], bool], ready: Callable[[], None]
) -> None:
    """Sample until `stopped`, with a last sample then; call `ready` once the first is on disk."""
    first = True
    for tick in timer:
        samples = sampler.samples(tick)
        writer.add(samples, samples[0].t_ns)
        if first:
            ready()
            first = False
        if stopped():
            return
