"""CPU time of whole cores: against a real process, and in the formats of both versions of control groups."""

import os
import time

import pytest
from consumers import ALONE, consumer, said

from harness.measure.samplers.machine.core_time import CoreTime

pytestmark = pytest.mark.process


def test_it_holds_at_least_what_a_process_used_and_at_most_the_time_there_was():
    cores = os.sched_getaffinity(0)
    counter = CoreTime()
    begun_ns = time.monotonic_ns()
    if counter.read(cores) is None:
        pytest.skip("nothing counts this machine's CPU time exactly")
    with consumer(ALONE) as process:
        used_ns, _ = said(process)
        ran_ns = counter.read(cores)
    assert used_ns <= ran_ns <= (time.monotonic_ns() - begun_ns) * len(cores) * 1.01


def test_version_1_counts_the_named_cores(tmp_path):
    file = tmp_path / "cpuacct" / "cpuacct.usage_percpu"
    file.parent.mkdir()
    file.write_text("5000000000 7000000000 9000000000 \n")
    counter = CoreTime(tmp_path, busy_s=21.0)
    assert counter.read({0, 2}) == 0
    file.write_text("5000000100 7000000030 9000000005 \n")
    assert counter.read({0, 2}) == 105
    assert counter.read({1}) == 105
    file.write_text("5000000100 7000000050 9000000005 \n")
    assert counter.read({1}) == 125


def test_version_2_adds_up_its_groups(tmp_path):
    for name, usage_us in (("system.slice", 4_000_000), ("user.slice", 6_000_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text("")
        (tmp_path / name / "cpu.stat").write_text(f"usage_usec {usage_us}\n")
    counter = CoreTime(tmp_path, busy_s=11.0)
    assert counter.read({0}) == 0
    (tmp_path / "user.slice" / "cpu.stat").write_text("usage_usec 6000250\n")
    assert counter.read({0}) == 250_000


def test_a_containers_part_of_the_machine_is_not_taken_for_the_whole(tmp_path):
    (tmp_path / "cpuacct").mkdir()
    (tmp_path / "cpuacct" / "cpuacct.usage_percpu").write_text("1000000000\n")
    assert CoreTime(tmp_path, busy_s=100.0).read({0}) is None
