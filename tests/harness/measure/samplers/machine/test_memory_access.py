"""How long accesses to memory take: read on the cores of a real process."""

import os

import pytest

from harness.clock import MonotonicClock
from harness.measure.samplers.machine import memory_access
from harness.measure.samplers.machine.memory_access import ACCESSES, PLACES, STEP, MemoryAccess, places

NO_PROCESS = (1 << 22) + 1  # beyond the greatest there can be


class Instant:
    """A clock that no bound on the cost can hold up."""

    def __init__(self):
        self.ns = 0

    def now_ns(self):
        self.ns += 10**12
        return self.ns


def test_an_access_takes_nanoseconds():
    (reading,) = MemoryAccess(os.getpid(), MonotonicClock()).read(0)
    assert (reading.source, reading.metric, reading.error) == ("memory", "access_ns", None)
    assert 0.2 < reading.value < 5000.0  # from a core's own cache to memory under load


def test_each_core_of_the_process_is_read_in_turn_and_the_own_cores_are_given_back(monkeypatch):
    chosen, own = [], os.sched_getaffinity(0)
    monkeypatch.setattr(memory_access.os, "sched_getaffinity", lambda pid: {2, 5} if pid else own)
    monkeypatch.setattr(memory_access.os, "sched_setaffinity", lambda pid, cores: chosen.append((pid, cores)))
    reader = MemoryAccess(4711, Instant())
    assert all(len(reader.read(0)) == 1 for _ in range(3))
    assert chosen == [(0, {2}), (0, own), (0, {5}), (0, own), (0, {2}), (0, own)]


def test_of_a_process_that_has_ended_nothing_is_read():
    before = os.sched_getaffinity(0)
    assert MemoryAccess(NO_PROCESS, MonotonicClock()).read(0) == []
    assert os.sched_getaffinity(0) == before


def test_a_reading_that_fails_gives_the_cores_back(monkeypatch):
    own = os.sched_getaffinity(0)
    monkeypatch.setattr(memory_access, "_mean_access_ns", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        MemoryAccess(os.getpid(), MonotonicClock()).read(0)
    assert os.sched_getaffinity(0) == own


def test_readings_near_in_time_read_other_places():
    order = places()
    assert sorted(order.tolist()) == list(range(PLACES))
    starts = [count * STEP % (PLACES - ACCESSES) for count in range(100)]
    assert all(abs(start - other) >= ACCESSES for place, start in enumerate(starts) for other in starts[:place])
