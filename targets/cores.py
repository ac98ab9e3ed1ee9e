"""Assigns the target's CPU cores to its processes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.system.cpu_cores import usable_cores

if TYPE_CHECKING:
    from harness.system.cpu_cores import Cores


def take_cores(wanted: int) -> int:
    """Restrict this process and its children to `wanted` of its cores (0: all) and return their number.

    Call it before any thread exists. Raises UserError where there are fewer cores.
    """
    cores = usable_cores()
    if wanted > len(cores):
        raise UserError(f"cores={wanted}: the target may use {len(cores)}; ask for fewer, or share with --no-isolate")
    if wanted and cores:
        os.sched_setaffinity(0, cores[:wanted])
    return wanted or len(cores) or os.cpu_count() or 1


def share_of(index: int, count: int) -> Cores:
    """The cores of process `index` of `count`: equal parts of this process's cores, or one core in turn to each."""
    cores = usable_cores()
    if count >= len(cores):
        return cores[index % len(cores) : index % len(cores) + 1] if cores else ()
    return cores[index * len(cores) // count : (index + 1) * len(cores) // count]
