"""The command line as a process, and whether processes have ended."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
begun = []  # what `begin` started in this test


def harness(*words, limit_s=110, **more):
    """Run `python -m harness` in the checkout to its end."""
    argv = [sys.executable, "-m", "harness", *map(str, words)]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=limit_s, check=False, **more)


def begin(*words):
    """Start `python -m harness` in the checkout. It is killed at the end of the test, at the latest."""
    argv = [sys.executable, "-m", "harness", *map(str, words)]
    begun.append(subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    return begun[-1]


def wait_for(condition, what="it did not happen in time", limit_s=90):
    """The first value of `condition()` that is true."""
    deadline = time.monotonic() + limit_s
    while not (value := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return value


def alive(pid):
    """Whether the process runs: not one that has ended and that its parent has not waited for."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(processes):
    """Whether all of them have ended; who should wait for them may not have done so yet."""
    return not any(process.is_running() and alive(process.pid) for process in processes)


def wait_for_end(pid):
    """Fails where the process is left behind."""
    wait_for(lambda: not alive(pid), f"process {pid} was left behind", 10)
