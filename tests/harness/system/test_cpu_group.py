"""Control groups: real ones where this user may make them, else as the kernel writes them."""

import time

import pytest
from consumers import UNWAITED, consumer, said

from harness.system.cpu_group import CpuGroup, group_cpu_ns, group_of, group_pids

pytestmark = pytest.mark.process


def test_children_that_nobody_waits_for_are_counted():
    group = CpuGroup.make()
    if group is None:
        pytest.skip("this user may not make a control group")
    with group:
        with consumer("sys.stdin.readline()\n" + UNWAITED) as process:
            assert group.add(process.pid)
            process.stdin.write("go\n")
            process.stdin.flush()
            used_ns, children = said(process)
            assert children == 8
            start_up_ns = 100_000_000  # the interpreter began before it was in the group
            assert group_cpu_ns(group.path) == pytest.approx(used_ns, abs=start_up_ns)
            assert group_cpu_ns(group.path) > 8 * 30_000_000
            assert process.pid in group_pids(group.path)
            assert group_of(process.pid) == group.path
        deadline = time.monotonic() + 30.0
        while group_pids(group.path) and time.monotonic() < deadline:  # the last children are still ending
            time.sleep(0.01)
        assert group_pids(group.path) == []
    assert not group.path.exists()


def test_version_2_and_its_absence(tmp_path):
    (tmp_path / "cpu.stat").write_text("usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n")
    (tmp_path / "cgroup.procs").write_text("12\n34\n")
    assert group_cpu_ns(tmp_path) == 1_500_000
    assert group_pids(tmp_path) == [12, 34]
    assert group_cpu_ns(tmp_path / "none") is None
    assert group_pids(tmp_path / "none") == []


def test_no_group_where_it_may_not_be_made(tmp_path):
    membership = tmp_path / "membership"
    membership.write_text("0::/\n")
    assert CpuGroup.make(tmp_path, membership) is None
    assert CpuGroup.make(tmp_path, tmp_path / "absent") is None


def test_what_a_killed_run_left_is_removed():
    group = CpuGroup.make()
    if group is None:
        pytest.skip("this user may not make a control group")
    left = group.path.parent / "sweepspot-4194305-1"  # no process has that number
    left.mkdir()
    with CpuGroup.make() as other, group:
        assert other.path.exists()
        assert not left.exists()
        assert group.path.exists()
    assert group_of(1) is None


def test_no_group_where_it_would_change_who_gets_cpu_time(tmp_path):
    membership = tmp_path / "membership"
    membership.write_text("3:cpu,cpuacct:/\n0::/own\n")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "cgroup.procs").write_text("")
    (tmp_path / "own" / "cgroup.subtree_control").write_text("cpu memory\n")
    assert CpuGroup.make(tmp_path, membership) is None
    assert list((tmp_path / "own").glob("sweepspot-*")) == []
