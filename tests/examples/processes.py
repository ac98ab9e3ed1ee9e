"""Whether processes have ended."""

import contextlib

import psutil


def gone(processes):
    """Whether all of them have ended; who should wait for them may not have done so yet."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                return False
    return True
