"""Which of the target's cores its processes get."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from harness.cpu_cores import usable_cores
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.cpu_cores import Cores


def take_cores(wanted: int) -> int:
    """Keep this process and its children to `wanted` of its cores (0: all) and say how many. Raises UserError.

    To be called before anything made threads.
    """
    cores = usable_cores()
    if wanted > len(cores):
        raise UserError(f"cores={wanted}: the target may use {len(cores)}; ask for fewer, or share with --no-isolate")
    if wanted and cores:
        os.sched_setaffinity(0, cores[:wanted])
    return wanted or len(cores) or os.cpu_count() or 1


def share_of(index: int, count: int) -> Cores:
    """The cores of process `index` of `count` that share this one's: equal parts, or one core in turn to each."""
    cores = usable_cores()
    if count >= len(cores):
        return cores[index % len(cores) : index % len(cores) + 1] if cores else ()
    return cores[index * len(cores) // count : (index + 1) * len(cores) // count]
