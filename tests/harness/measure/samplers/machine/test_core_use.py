"""Who ran on the cores, and who else was there: with real processes."""

import os

import pytest
from consumers import ALONE, consumer, said

from harness.clock import MonotonicClock
from harness.measure.samplers.machine.core_use import CoreUse, Strangers
from harness.measure.samplers.process_tree import ProcessTree
from harness.measure.samplers.thread_times import HAS_SCHEDSTAT

pytestmark = pytest.mark.process


def values(readings):
    return {(reading.source, reading.metric): reading.value for reading in readings}


def test_what_the_target_ran_is_part_of_what_its_cores_ran():
    if not HAS_SCHEDSTAT:
        pytest.skip("this kernel counts no thread's times")
    clock = MonotonicClock()
    with consumer(ALONE, min(os.sched_getaffinity(0))) as process:
        tree = ProcessTree("target", process.pid)
        tree.read(0)
        first = values(CoreUse([tree], clock).read(0))
        use = CoreUse([tree], clock)
        use._bound._share = 1e9  # however slow this machine is now
        before = values(use.read(0))
        used_ns, _ = said(process)
        after = values(use.read(0))
    assert first["target", "ran_s"] <= after["target", "ran_s"] <= 1.1 * used_ns / 1e9
    assert after["target", "waited_s"] >= before["target", "waited_s"]
    if ("cores", "ran_s") in after:
        ran_s = after["target", "ran_s"] - before["target", "ran_s"]
        assert after["cores", "ran_s"] - before["cores", "ran_s"] >= 0.95 * ran_s


def test_strangers_are_named():
    strangers = Strangers([], MonotonicClock())
    strangers.read(0)
    strangers._bound._due_ns = 0
    with consumer("open('/proc/self/comm', 'w').write('a:b')\n" + ALONE) as process:
        said(process)
        found = {source.split(":")[1]: source for (source, _) in values(strangers.read(0))}
        if "a b" in found:  # one of the three busiest of this machine
            assert found["a b"].split(":")[2] == str(process.pid)
        assert all(source.count(":") == 3 for source in found.values())
