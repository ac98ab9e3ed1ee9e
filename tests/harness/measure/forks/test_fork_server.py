"""Forks of a prepared process: as fresh as new ones, and gone with whoever is killed."""

import json
import os
import random
import signal
import subprocess
import sys

import psutil
import pytest

from harness.measure.forks.fork_server import KILLED, ForkServer
from harness.system.child_process import ChildProcess

pytestmark = pytest.mark.process

PROGRAM = """
import json, os, random, sys
import numpy.random
from harness.system.control_channel import ControlChannel

state, prepared_in = [], []

def prepare():
    prepared_in.append(os.getpid())
    os.close = lambda descriptor: None  # gevent's closes sockets when its event loop runs

def main():
    state.append(1)
    control = ControlChannel.inherited(int(sys.argv[-1]))
    draws = [random.random(), float(numpy.random.random())]
    print(json.dumps({"argv": sys.argv[1:-1], "state": state, "prepared_in": prepared_in, "draws": draws,
                      "session": os.getsid(0) == os.getpid(), "word": os.environ.get("WORD_OF_THE_TEST"),
                      "parent": os.getppid(), "cores": sorted(os.sched_getaffinity(0)),
                      "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd"))}), flush=True)
    control.send({"event": "ready"})
    while (message := control.receive()) is not None and not message.get("stop"):
        pass
    return 3

if __name__ == "__main__":
    sys.exit(main())
"""


@pytest.fixture
def server(tmp_path, monkeypatch):
    package = tmp_path / "forked_program"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    server = ForkServer("forked_program", (min(os.sched_getaffinity(0)),))
    yield server
    server.close()


def forked(server, *words):
    argv = [sys.executable, "-m", "forked_program", *words]
    process, control = ChildProcess.with_control(argv, fork=server.fork)
    assert control.receive(60)["event"] == "ready"
    return process, control


def ended(process, control):
    control.send({"stop": True})
    assert process.wait(60) == process.exit_code == 3
    said = json.loads(process.output())
    process.close()
    control.close()
    return said


def test_each_fork_is_as_fresh_as_a_new_process(server, monkeypatch):
    monkeypatch.setenv("WORD_OF_THE_TEST", "first")
    one = ended(*forked(server, "a", "b c"))
    monkeypatch.setenv("WORD_OF_THE_TEST", "second")
    two = ended(*forked(server))
    assert (one["argv"], two["argv"]) == (["a", "b c", "--control-fd"], ["--control-fd"])
    assert (one["word"], two["word"]) == ("first", "second")
    assert one["state"] == two["state"] == [1]
    assert one["session"]
    assert two["session"]
    assert one["prepared_in"] == two["prepared_in"] == [one["parent"]]
    assert one["cores"] == [min(os.sched_getaffinity(0))]
    assert one["descriptors"] == two["descriptors"]
    assert len({*one["draws"], *two["draws"], random.random()}) == 5


def test_a_fork_runs_until_it_is_killed(server):
    process, control = forked(server)
    assert process.exit_code is None
    assert process.wait(0.01) is None
    process.kill()
    assert process.exit_code == -signal.SIGKILL
    process.close()
    control.close()
    ended(*forked(server))  # and the next one starts


def test_where_the_fork_server_is_killed_its_fork_ends_and_the_next_is_a_new_process(server):
    process, control = forked(server)
    psutil.Process(process.pid).parent().kill()
    assert process.wait(60) == KILLED
    fork = psutil.Process(process.pid)
    process.close()
    control.close()
    fork.wait(60)
    said = ended(*forked(server))
    assert said["prepared_in"] == []
    assert said["parent"] == os.getpid()


def test_a_program_that_cannot_be_prepared_is_a_new_process(server, tmp_path):
    (tmp_path / "forked_program" / "__main__.py").write_text(PROGRAM.replace("prepared_in.append", "no_such"))
    broken = ForkServer("forked_program")
    assert ended(*forked(broken))["parent"] == os.getpid()
    broken.close()


STARTER = """
import sys
from harness.system.child_process import ChildProcess
from harness.measure.forks.fork_server import ForkServer
server = ForkServer("forked_program")
process, control = ChildProcess.with_control([sys.executable, "-m", "forked_program"], fork=server.fork)
control.receive(60)
print(process.pid, flush=True)
control.receive()
"""


@pytest.mark.parametrize("stopped", [False, True])
def test_nothing_is_left_where_the_starter_is_killed(server, stopped):
    starter = subprocess.Popen([sys.executable, "-c", STARTER], stdout=subprocess.PIPE, text=True)
    fork = psutil.Process(int(starter.stdout.readline()))
    left = [fork, fork.parent()]
    if stopped:
        fork.suspend()
    starter.kill()
    starter.communicate()
    gone, alive = psutil.wait_procs(left, 60)
    assert alive == []
    assert len(gone) == len(left)


def test_the_end_of_a_fork_is_known_though_the_server_was_stopped(server):
    process, control = forked(server)
    (parent,) = (
        child for child in psutil.Process().children() if process.pid in {each.pid for each in child.children()}
    )
    parent.send_signal(signal.SIGSTOP)
    process.kill()
    assert process.exit_code == KILLED
    process.close()
    control.close()
