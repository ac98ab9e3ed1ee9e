"""Real processes of known consumption: each says what it used by its own clock, and then waits to be let go."""

import os
import subprocess
import sys
from contextlib import contextmanager

BURN = """
import os, sys, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
def say(*numbers):
    print(*numbers, flush=True)
    sys.stdin.readline()
"""

ALONE = "begun = time.monotonic_ns(); burn(0.2); say(time.process_time_ns(), time.monotonic_ns() - begun)"

THREADS = """
import threading
burnt, hold = threading.Semaphore(0), threading.Event()
def work(seconds):
    burn(seconds)
    burnt.release()
    hold.wait()
threads = [threading.Thread(target=work, args=(0.05 * (n + 1),)) for n in range(3)]
for thread in threads: thread.start()
for thread in threads: burnt.acquire()
say(time.process_time_ns())
hold.set()
"""

# Children whose parent ignores SIGCHLD, and orphans: nobody waits for either. Each writes what it used into a pipe.
UNWAITED = """
import signal
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
read, write = os.pipe()
for n in range(8):
    if os.fork() == 0:
        if n % 2 and os.fork():
            os._exit(0)
        burn(0.03)
        os.write(write, b"%d " % time.process_time_ns())
        os._exit(0)
os.close(write)
used = b""
while part := os.read(read, 4096):
    used += part
say(sum(map(int, used.split())) + time.process_time_ns(), len(used.split()))
"""

SHARED = """
block = bytearray(os.urandom(1 << 20)) * 48
ready, told = os.pipe()
for _ in range(3):
    if os.fork() == 0:
        os.write(told, b"x")
        sys.stdin.readline()
        os._exit(0)
for _ in range(3): os.read(ready, 1)
say(len(block))
"""


@contextmanager
def consumer(script, core=None):
    """The process and what it printed, while it waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", BURN + script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        if core is not None:
            os.sched_setaffinity(process.pid, {core})
        yield process
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


def said(process):
    """The numbers of the line that it prints when it has used what it should."""
    return [int(word) for word in process.stdout.readline().split()]
