"""Processes whose starter is killed."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
from processes import alive

from harness.system.process_guard import ProcessGuard

pytestmark = pytest.mark.process
LIMIT_S = 30.0

# Starts what its arguments say, prints the pids, and sleeps.
STARTER = """
import os, subprocess, sys, time
from harness.system.process_guard import ProcessGuard
children = [subprocess.Popen(["sh", "-c", script], start_new_session=True) for script in sys.argv[1:]]
guards = [ProcessGuard(child.pid, group=True, patience_s=3) for child in children]
print(*[child.pid for child in children], flush=True)
time.sleep(120)
"""
FORKER = """
import os, time
from harness.system.process_guard import forks_die_with_this
forks_die_with_this()
if os.fork() == 0:
    print(os.getpid(), flush=True)
time.sleep(120)
"""


def start(code, *words):
    process = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True)
    return process, [int(word) for word in process.stdout.readline().split()]


def await_end(pids):
    """Wait until none of the processes and groups is there any more, zombies aside."""
    deadline = time.monotonic() + LIMIT_S
    while left := [pid for pid in pids if any(alive(each) for each in group_of(pid))]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def group_of(leader):
    return [leader, *(each.pid for each in psutil.process_iter() if in_group(each.pid, leader))]


def in_group(pid, leader):
    try:
        return os.getpgid(pid) == leader
    except ProcessLookupError:
        return False


def test_what_a_killed_process_started_ends_even_where_it_is_stopped_or_left_alone():
    starter, pids = start(STARTER, "sleep 100 & sleep 100", "sleep 100 & exit", "exec sleep 100")
    os.kill(pids[0], signal.SIGSTOP)
    os.kill(pids[2], signal.SIGSTOP)
    starter.kill()
    starter.wait()
    await_end(pids)


def test_a_child_that_ignores_orders_is_killed():
    starter, pids = start(STARTER, "trap '' TERM; while :; do sleep 0.1; done")
    starter.kill()
    starter.wait()
    await_end(pids)


def test_a_released_guard_leaves_the_process_alone():
    with subprocess.Popen(["sleep", "100"], start_new_session=True) as child:
        guard = ProcessGuard(child.pid, group=True)
        guard.release()
        guard.release()
        assert child.poll() is None
        child.kill()


def test_a_stopped_fork_dies_with_the_process_that_forked_it():
    forker, pids = start(FORKER)
    os.kill(pids[0], signal.SIGSTOP)
    forker.kill()
    forker.wait()
    await_end(pids)
