"""What ends a command, and how the end of a process is worded."""

import signal
import subprocess
import sys

import pytest

from harness.system.ending_signals import ENDING, how_ended

CATCHES = """
import signal, sys, time
from harness.system.ending_signals import on_ending_signals, reset_signals
reset_signals()
def caught(number, frame):
    raise SystemExit(7)
on_ending_signals(caught)
print("ready", flush=True)
time.sleep(60)
"""


def test_how_a_process_has_ended():
    assert how_ended(3) == "ended with exit code 3"
    assert how_ended(-9) == "was ended by SIGKILL"
    assert how_ended(-99) == "was ended by signal 99"


def caught(number, before=""):
    argv = [sys.executable, "-c", before + CATCHES]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE)
    process.stdout.readline()
    process.send_signal(number)
    return process


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, *ENDING])
def test_each_is_caught(number):
    with caught(number) as process:
        assert process.wait(30) == 7


IGNORED = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
LEFT = """
import signal, subprocess
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
"""


@pytest.mark.process
def test_one_that_is_ignored_stays_ignored():  # nohup
    with caught(signal.SIGHUP, IGNORED) as process:
        process.terminate()
        assert process.wait(30) == 7


@pytest.mark.process
def test_what_a_starter_left_is_undone():
    with caught(signal.SIGTERM, LEFT) as process:
        assert process.wait(30) == 7
    code = LEFT + (
        "from harness.system.ending_signals import reset_signals; reset_signals()\n"
        "raise SystemExit(subprocess.call(['sh', '-c', 'exit 5']))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 5
