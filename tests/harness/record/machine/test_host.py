import pytest

from harness.record.machine.host import CgroupLimits, read_limits


@pytest.fixture
def machine(tmp_path):
    """Writes files under a pretended /sys/fs/cgroup and /proc/self/cgroup, and reads the limits."""

    def read(membership, files):
        root = tmp_path / "cgroup"
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text + "\n")
        (tmp_path / "membership").write_text(membership)
        return read_limits(root, tmp_path / "membership")

    return read


def test_version_2_takes_the_tightest_on_the_way_up(machine):
    limits = machine(
        "0::/pod/box\n",
        {
            "pod/box/cpu.max": "max 100000",
            "pod/cpu.max": "150000 100000",
            "cpu.max": "400000 100000",
            "pod/box/memory.max": "2147483648",
            "pod/memory.max": "max",
            "pod/box/cpuset.cpus.effective": "0-2",
        },
    )
    assert limits == CgroupLimits(cpu_quota=1.5, memory_limit_bytes=2147483648, cpuset="0-2")


def test_version_1(machine):
    limits = machine(
        "4:memory:/box\n2:cpu,cpuacct:/box\n",
        {
            "cpu/box/cpu.cfs_quota_us": "50000",
            "cpu/box/cpu.cfs_period_us": "100000",
            "memory/box/memory.limit_in_bytes": "1073741824",
            "memory/memory.limit_in_bytes": "9223372036854771712",
        },
    )
    assert limits == CgroupLimits(cpu_quota=0.5, memory_limit_bytes=1073741824)


def test_a_container_that_sees_only_its_own_root(machine):
    assert machine("0::/host/path/not/mounted\n", {"cpu.max": "200000 100000"}) == CgroupLimits(cpu_quota=2.0)


@pytest.mark.parametrize("files", [{}, {"cpu.max": "max 100000", "memory.max": "max"}, {"cpu/cpu.cfs_quota_us": "-1"}])
def test_no_limit_is_none(machine, files):
    assert machine("2:cpu:/\n0::/\n", files) == CgroupLimits()
