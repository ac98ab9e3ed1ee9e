"""The memory of a process with its fair share of pages that others map too (proportional set size)."""

from __future__ import annotations

from pathlib import Path

_BYTES_PER_KIB = 1024


def pss_bytes(pid: int) -> int | None:
    """Proportional set size: private pages whole, a page shared by n processes as 1/n. None where it is not readable.

    The kernel walks the page tables for it and holds the process's memory map meanwhile (`/proc/PID/smaps_rollup`):
    some milliseconds per GiB. Read it seldom.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
    except OSError:
        return None
    sizes = [int(line.split()[1]) for line in lines if line.startswith(b"Pss:")]
    return sizes[0] * _BYTES_PER_KIB if sizes else None
