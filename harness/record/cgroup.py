"""What a control group leaves of the machine: CPU time, memory, cores."""

from __future__ import annotations

from pathlib import Path

import msgspec

ROOT = Path("/sys/fs/cgroup")
UNLIMITED_BYTES = 1 << 60  # version 1 writes "no limit" as a number near 2^63


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The tightest limit on the way from this process's group to the root; None where there is none."""

    cpu_quota: float | None = None  # in cores
    memory_limit_bytes: int | None = None
    cpuset: str | None = None  # as the kernel writes it: 0-3,8


def read_limits(root: Path = ROOT, membership: Path = Path("/proc/self/cgroup")) -> Limits:
    """The limits of this process, of control groups version 1 or 2."""
    groups = _groups(membership)
    quotas = [_quota(folder) for folder in _upwards(root, groups, "cpu")]
    memory = [_memory(folder) for folder in _upwards(root, groups, "memory")]
    cpusets = [
        _line(folder / name)
        for folder in _upwards(root, groups, "cpuset")
        for name in ("cpuset.cpus.effective", "cpuset.effective_cpus")
    ]
    return Limits(
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


def _line(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except OSError:
        return None
