"""The host: its processor and its system, as far as they bear on a measurement."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import msgspec
import psutil

from harness.cpu_cores import CPU_ROOT, usable_cores

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
