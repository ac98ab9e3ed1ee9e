"""Reads what the host is, as far as it bears on a measurement: processor, system, limits of its control group."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import msgspec
import psutil

from harness.system.cpu_cores import CPU_ROOT, usable_cores

CGROUP_ROOT = Path("/sys/fs/cgroup")
UNLIMITED_BYTES = 1 << 60  # control groups of version 1 write "no limit" as a number near 2^63
FLAGS_OF_NOTE = (
    *("avx", "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_tile", "amx_int8", "amx_bf16", "f16c"),
    *("asimd", "asimddp", "bf16", "i8mm", "sve"),
)


class Cpu(msgspec.Struct, frozen=True, kw_only=True):
    """The processor. What the system does not tell is None."""

    model: str | None
    architecture: str
    logical_cores: int | None
    physical_cores: int | None
    usable_cores: int
    smt: bool | None
    governor: str | None
    flags: tuple[str, ...]  # the instruction sets that inference engines choose by


class System(msgspec.Struct, frozen=True, kw_only=True):
    """Kernel and what lies under it."""

    kernel: str
    distribution: str
    virtual_machine: str | None  # None: no sign of one
    container: str | None
    clock_source: str | None
    timer_slack_ns: int | None
    huge_pages: str | None
    memory_bytes: int


def read_cpu() -> Cpu:
    """The processor of this machine."""
    info = _cpu_info()
    here = (info.get("flags") or info.get("Features") or "").split()
    smt = _line(CPU_ROOT / "smt/active")
    return Cpu(
        model=info.get("model name") or platform.processor() or None,
        architecture=platform.machine(),
        logical_cores=psutil.cpu_count(),
        physical_cores=psutil.cpu_count(logical=False),
        usable_cores=len(usable_cores()) or psutil.cpu_count() or 1,
        smt=None if smt is None else smt == "1",
        governor=_line(CPU_ROOT / "cpu0/cpufreq/scaling_governor"),
        flags=tuple(flag for flag in FLAGS_OF_NOTE if flag in here),
    )


def _cpu_info() -> dict[str, str]:
    """The first core's lines of /proc/cpuinfo."""
    try:
        first = Path("/proc/cpuinfo").read_text(errors="replace").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def read_system() -> System:
    """Kernel, distribution and what they run on."""
    slack = _line(Path("/proc/self/timerslack_ns"))
    return System(
        kernel=f"{platform.system()} {platform.release()}",
        distribution=_distribution(),
        virtual_machine=_virtual_machine(),
        container=_container(),
        clock_source=_line(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")),
        timer_slack_ns=int(slack) if slack else None,
        huge_pages=_chosen(_line(Path("/sys/kernel/mm/transparent_hugepage/enabled"))),
        memory_bytes=psutil.virtual_memory().total,
    )


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "unknown")
    except OSError:
        return platform.platform(terse=True)


def _virtual_machine() -> str | None:
    vendor = _line(Path("/sys/class/dmi/id/sys_vendor"))
    if "hypervisor" in _cpu_info().get("flags", "").split():
        return f"yes ({vendor})" if vendor else "yes"
    return None


def _container() -> str | None:
    if Path("/.dockerenv").exists():
        return "docker"
    if Path("/run/.containerenv").exists():
        return "podman"
    return "kubernetes" if "KUBERNETES_SERVICE_HOST" in os.environ else None


def _line(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None


def _chosen(text: str | None) -> str | None:
    """`madvise` of `always [madvise] never`."""
    return text.partition("[")[2].partition("]")[0] or text if text else None


class CgroupLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The tightest limit on the way from this process's group to the root; None where there is none."""

    cpu_quota: float | None = None  # in cores
    memory_limit_bytes: int | None = None
    cpuset: str | None = None  # as the kernel writes it: 0-3,8


def read_limits(root: Path = CGROUP_ROOT, membership: Path = Path("/proc/self/cgroup")) -> CgroupLimits:
    """The limits of this process, of control groups version 1 or 2."""
    groups = _groups(membership)
    quotas = [_quota(folder) for folder in _upwards(root, groups, "cpu")]
    memory = [_memory(folder) for folder in _upwards(root, groups, "memory")]
    cpusets = [
        _line(folder / name)
        for folder in _upwards(root, groups, "cpuset")
        for name in ("cpuset.cpus.effective", "cpuset.effective_cpus")
    ]
    return CgroupLimits(
        cpu_quota=min((quota for quota in quotas if quota is not None), default=None),
        memory_limit_bytes=min((limit for limit in memory if limit is not None), default=None),
        cpuset=next((cores for cores in cpusets if cores), None),
    )


def _groups(membership: Path) -> dict[str, str]:
    """The path of this process's group by controller; version 2's has the name ""."""
    lines = (_line(membership) or "").splitlines()
    groups: dict[str, str] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        groups.update(dict.fromkeys(controllers.split(","), path))
    return groups


def _upwards(root: Path, groups: dict[str, str], controller: str) -> list[Path]:
    """The folders of this process's group and of all above it, nearest first."""
    base, path = (root / controller, groups[controller]) if controller in groups else (root, groups.get("", "/"))
    folder = base / path.strip("/")
    # Inside a container the path may be the host's, which is not mounted: then only the mounted root tells.
    return [folder, *(parent for parent in folder.parents if parent.is_relative_to(base))]


def _quota(folder: Path) -> float | None:
    words = (_line(folder / "cpu.max") or "").split()
    if not words:
        words = [_line(folder / "cpu.cfs_quota_us") or "-1", _line(folder / "cpu.cfs_period_us") or "100000"]
    quota_us, period_us = words
    return None if quota_us in ("max", "-1") else int(quota_us) / int(period_us)


def _memory(folder: Path) -> int | None:
    text = _line(folder / "memory.max") or _line(folder / "memory.limit_in_bytes")
    if text is None or text == "max" or int(text) >= UNLIMITED_BYTES:
        return None
    return int(text)
