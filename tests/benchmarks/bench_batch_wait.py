"""How exactly is `batch_wait_ms` kept? One connection, so that every request waits its whole time alone.

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_batch_wait.py

The server's own `Server-Timing` says how long each request waited for its batch. The machine's floor, how late a bare
timer descriptor rings on the same core, stands beside it.
"""

import http.client
import os
import re
import select
import statistics
import sys
import urllib.parse

from harness.clock import NS_PER_MS, monotonic_ns
from targets.servers.timer import PreciseTimer
from tests.benchmarks.served import CORES, ours

WAITS_MS = (0.0, 0.5, 1.0, 2.0, 5.0)
REQUESTS = 400
GOAL_MS = 0.2


def batch_waits_ms(running):
    where = urllib.parse.urlsplit(running.url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    for _ in range(REQUESTS):
        connection.request("POST", where.path, running.body.content, running.body.headers)
        answer = connection.getresponse()
        answer.read()
        yield float(re.search(r"batch;dur=([\d.]+)", answer.headers["Server-Timing"])[1])


class Readers:
    """As much of an event loop as the timer needs."""

    def add_reader(self, descriptor, callback):
        self.descriptor, self.callback = descriptor, callback

    def remove_reader(self, descriptor):
        del descriptor


def floor_ms(wait_ms):
    """How late the timer rings where nothing else is done."""
    readers, late_ms = Readers(), []
    due_ns = 0
    timer = PreciseTimer(readers, lambda: late_ms.append((monotonic_ns() - due_ns) / NS_PER_MS))
    for _ in range(REQUESTS):
        due_ns = monotonic_ns() + round(wait_ms * NS_PER_MS)
        timer.arm(due_ns)
        select.select([readers.descriptor], [], [])
        readers.callback()
    timer.close()
    return statistics.median(late_ms)


def test_batch_wait():
    os.sched_setaffinity(0, {CORES[-1]})
    medians = {}
    with ours("batched", batch_size=64, engine="onnxruntime", intra_op_threads=1, inter_op_threads=1) as running:
        print("\n| batch_wait_ms | waited p50 / p99 ms | late p50 ms | a bare timer, late p50 ms |\n|---|---|---|---|")
        for wait_ms in WAITS_MS:
            running.set(batch_wait_ms=wait_ms)
            waits = sorted(batch_waits_ms(running))
            medians[wait_ms] = statistics.median(waits) - wait_ms
            p99_ms = waits[int(0.99 * len(waits))]
            bare = f"{floor_ms(wait_ms):.3f}" if wait_ms else ""
            print(
                f"| {wait_ms:g} | {medians[wait_ms] + wait_ms:.3f} / {p99_ms:.3f} | {medians[wait_ms]:.3f} | {bare} |"
            )
    sys.stdout.flush()
    assert all(0 <= late_ms <= GOAL_MS for late_ms in medians.values())
