"""Stalls of the load's event loop, with their instants."""

from harness.clock import monotonic_ns
from harness.measure.load.loop_health import MOST_STALLS, LoopMonitor

MS = 1_000_000


def test_stalls_of_the_measure_phase_are_kept_with_their_instants():
    meter = LoopMonitor()
    meter.begin()
    begun_ns = monotonic_ns()
    for late_ms in (1, 30, 5, 250):
        meter.tick(late_ms * MS)
    stalls = meter.report().stalls_ns
    assert [end - start for start, end in stalls] == [30 * MS, 250 * MS]
    assert all(begun_ns <= end <= monotonic_ns() for _, end in stalls)


def test_a_new_phase_forgets_and_a_bad_one_is_bounded():
    meter = LoopMonitor()
    meter.begin()
    meter.tick(30 * MS)
    meter.begin()
    assert meter.report().stalls_ns == ()
    for _ in range(MOST_STALLS + 5):
        meter.tick(30 * MS)
    assert len(meter.report().stalls_ns) == MOST_STALLS
