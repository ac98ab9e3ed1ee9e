"""The limit on open files, which connections count against."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.plan.arrivals import Closed

if TYPE_CHECKING:
    from harness.plan.plan import Plan

OWN_FILES = 40  # of a load process, beside its connections: 24 were counted


def require_open_files(plan: Plan, most_files: int) -> None:
    """Raise UserError where a closed loop has more connections than a load process may have files open."""
    users = max((point.arrivals.users for point in plan.points if isinstance(point.arrivals, Closed)), default=0)
    needed = -(-users // plan.workers) + OWN_FILES
    if plan.remote_workers or plan.in_process or most_files == resource.RLIM_INFINITY or needed <= most_files:
        return
    raise UserError(
        f"--concurrency {users}: that takes some {needed} open files in each load process, and `ulimit -Hn` allows "
        f"{most_files}; raise that limit, or give more --load-processes or fewer users"
    )
