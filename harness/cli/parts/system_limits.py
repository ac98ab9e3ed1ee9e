"""What a command needs of the system: address space (NumPy and Arrow do not load without it), /proc, open files."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.plan.plan import Plan
    from harness.system.cpu_cores import Isolation

LEAST_BYTES = 1_500_000_000  # 1.3 GB were needed on two cores
BYTES_PER_CORE = 64 << 20  # OpenBLAS has a buffer for each
PARALLEL = ("workers", "processes", "threads", "instances")  # usual names of knobs that use a core each
OWN_FILES = 40  # of a load process, beside its connections: 24 were counted


def require_address_space(limit_bytes: int | None = None) -> None:
    """Raise UserError where this process may have less than it needs; None: by its own limit."""
    limit_bytes = resource.getrlimit(resource.RLIMIT_AS)[0] if limit_bytes is None else limit_bytes
    needed = LEAST_BYTES + BYTES_PER_CORE * (os.cpu_count() or 1)
    if limit_bytes == resource.RLIM_INFINITY or limit_bytes >= needed:
        return
    raise UserError(
        f"`ulimit -v` allows this process {limit_bytes / 1e6:.0f} MB of address space, and it needs "
        f"{needed / 1e6:.0f} MB; raise that limit"
    )


def require_proc(root: Path = Path("/proc")) -> None:
    """Raise UserError where the kernel does not show processes: their CPU time and memory could not be read."""
    if not (root / "self" / "stat").exists():
        raise UserError(
            f"{root} is not mounted: CPU time and memory cannot be read; mount it (mount -t proc proc {root})"
        )


def require_current_folder() -> None:
    """Raise UserError where the folder that this process stands in was removed: no file has a path from there."""
    try:
        Path.cwd()
    except OSError as error:
        raise UserError(
            f"the current folder: {error.strerror}; it was removed or closed to you: `cd` to another"
        ) from error


def require_open_files(plan: Plan, most_files: int) -> None:
    """Raise UserError where a closed loop has more connections than a load process may have files open."""
    from harness.plan.arrivals import Closed

    users = max((point.arrivals.users for point in plan.points if isinstance(point.arrivals, Closed)), default=0)
    needed = -(-users // plan.workers) + OWN_FILES
    if plan.remote_workers or plan.in_process or most_files == resource.RLIM_INFINITY or needed <= most_files:
        return
    raise UserError(
        f"--concurrency {users}: that takes some {needed} open files in each load process, and `ulimit -Hn` allows "
        f"{most_files}; raise that limit, or give more --load-processes or fewer users"
    )


def too_few_cores(plan: Plan, isolation: Isolation) -> str:
    """A sentence on the first knob with more workers than an embedded target has cores; empty where none does."""
    from harness.plan.target_spec import project_targets

    cores = len(isolation.target_cores)
    if not isolation.isolated or plan.target not in project_targets():
        return ""  # workers of a server that is not ours may wait for something else than a core
    for name in PARALLEL:
        values = [plan.setting_of(point).get(name) for point in plan.points]
        most = max((value for value in values if type(value) is int), default=0)
        if most > cores:
            have = f"{cores} core{'s' * (cores != 1)}"
            return f"{name}={most}: the target has {have}, so more {name} can hardly help; --no-isolate gives it all."
    return ""
