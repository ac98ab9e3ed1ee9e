"""Times of threads, compared with what real processes know of themselves."""

import os
from pathlib import Path

import pytest
from consumers import ALONE, THREADS, consumer, said

from harness.measure.samplers.thread_times import HAS_SCHEDSTAT, ThreadTimes

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not HAS_SCHEDSTAT, reason="this kernel counts no thread's times"),
]
MS = 1_000_000


def test_running_time_is_what_the_process_says_itself():
    times = ThreadTimes()
    with consumer(THREADS) as process:
        [used_ns] = said(process)
        assert times.read([process.pid]).ran_ns == pytest.approx(used_ns, rel=0.02)
    times.close()


def test_two_that_share_a_core_wait_for_each_other():
    core = min(os.sched_getaffinity(0))
    times = ThreadTimes()
    with consumer(ALONE, core) as one, consumer(ALONE, core) as other:
        (ran_one, wall_one), (ran_other, wall_other) = said(one), said(other)
        found = times.read([one.pid, other.pid])
        # Both want to run all the time: what they did not run of it, they waited.
        waited_ns = wall_one - ran_one + wall_other - ran_other
        assert found.waited_ns > 0.5 * waited_ns
        assert found.waited_ns == pytest.approx(waited_ns, abs=0.35 * (wall_one + wall_other))
    times.close()


def test_what_has_ended_stays_counted_and_files_are_closed():
    times = ThreadTimes()
    with consumer(ALONE) as process:
        said(process)
        before = times.read([process.pid])
        pid = process.pid
    open_files = _open_files()
    after = times.read([pid])
    assert after.ran_ns >= before.ran_ns > 0
    assert _open_files() == open_files - 1
    times.close()


def _open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_nothing_is_read_of_a_process_that_is_gone():
    assert ThreadTimes().read([2**22 + 1]) == (0, 0)
