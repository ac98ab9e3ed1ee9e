"""The control channel between a parent and a child it started."""

import contextlib
import subprocess
import sys
import threading

import psutil
import pytest

from harness.system.child_process import ChildProcess, last_words_of, run_to_end
from harness.system.control_channel import MAX_LINE_BYTES, ControlChannel


@pytest.fixture
def channel():
    ours, theirs = ControlChannel.pair()
    child = ControlChannel(theirs)
    yield ours, child
    ours.close()
    child.close()


def test_messages_arrive_whole_and_in_order(channel):
    ours, child = channel
    child.send({"event": "progress", "done": 1})
    child.send({"event": "ready"})
    assert ours.receive(5) == {"event": "progress", "done": 1}
    assert ours.receive(5) == {"event": "ready"}


def test_a_message_cut_by_a_time_out_is_kept(channel):
    ours, child = channel
    child._socket.sendall(b'{"ev')
    with pytest.raises(TimeoutError):
        ours.receive(0.001)
    child._socket.sendall(b'ent": "ready"}\n')
    assert ours.receive(5) == {"event": "ready"}


def test_the_end_of_the_other_side_is_none(channel):
    ours, child = channel
    child.close()
    assert ours.receive(5) is None
    ours.send({"stop": True})  # to nobody: not an error, the end was seen already


def test_a_line_without_end_is_refused(channel):
    ours, child = channel
    sender = threading.Thread(target=child.send, args=({"text": "x" * (2 * MAX_LINE_BYTES)},), daemon=True)
    sender.start()
    assert ours.receive(5) is None


CHILD = """
import sys
from harness.system.control_channel import ControlChannel
channel = ControlChannel.inherited(int(sys.argv[1]))
lost = []
channel.send({"event": "ready"})
channel.watch(lambda message: channel.send({"echo": message}), lambda: lost.append(1)).join(30)
sys.exit(7 if lost else 1)
"""


@pytest.mark.process
def test_a_child_notices_that_its_parent_is_gone():
    ours, theirs = ControlChannel.pair()
    with theirs:
        descriptor = theirs.fileno()
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(descriptor)], pass_fds=(descriptor,))
    try:
        assert ours.receive(20) == {"event": "ready"}
        ours.send({"set": {"batch_size": 2}})
        assert ours.receive(20) == {"echo": {"set": {"batch_size": 2}}}
        ours.close()
        assert child.wait(20) == 7
    finally:
        child.kill()
        child.wait()


@pytest.mark.process
def test_closing_a_child_ends_what_it_left_behind(tmp_path):
    child = ChildProcess(["sh", "-c", "sleep 100 & echo $!"], log=tmp_path / "log")
    assert child.wait(20) == 0
    left = psutil.Process(int(child.output()))
    assert left.is_running()
    child.close()
    assert left.wait(20) is None or not left.is_running()


@pytest.mark.process
def test_a_program_that_runs_too_long_is_killed_with_what_it_started(tmp_path):
    script = f"sleep 100 & echo $! > {tmp_path / 'pid'}; wait"
    with pytest.raises(subprocess.TimeoutExpired):
        run_to_end(["sh", "-c", script], 1.0)
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int((tmp_path / "pid").read_text())).wait(20)


@pytest.mark.process
def test_a_program_that_ends_has_its_output_and_its_code():
    done = run_to_end(["sh", "-c", "printf 'a\\377b'; echo c >&2; exit 3"], 20)
    assert (done.returncode, done.stdout, done.stderr) == (3, "a\ufffdb", "c\n")


KILLED_BEFORE_THE_GUARD = """
import os, signal, sys
from harness.system import child_process

def die(pid, **_):
    print(pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

child_process.ProcessGuard = die
argv = ["touch", sys.argv[2]]
child_process.ChildProcess(argv) if sys.argv[1] == "child" else child_process.run_to_end(argv, 20)
"""


@pytest.mark.process
@pytest.mark.parametrize("how", ["child", "to its end"])
def test_a_program_does_not_begin_where_its_starter_is_killed_before_its_guard_is_there(tmp_path, how):
    began = tmp_path / "began"
    starter = subprocess.run(
        [sys.executable, "-c", KILLED_BEFORE_THE_GUARD, how, str(began)], capture_output=True, text=True, check=False
    )
    assert starter.returncode == -9, starter.stderr
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(starter.stdout)).wait(20)
    assert not began.exists()


@pytest.mark.parametrize(("program", "code"), [("no-such-program", 2), ("./no-such-program", 2), ("./plain", 13)])
def test_a_program_that_cannot_be_executed(tmp_path, program, code):
    (tmp_path / "plain").write_text("no program")
    with pytest.raises(OSError, match=program) as failure:
        ChildProcess([program], cwd=tmp_path)
    assert failure.value.errno == code


def test_the_line_of_an_exception_with_a_long_text_is_among_the_last_words():
    text = "\n".join(["Traceback (most recent call last):", "  File x", "RuntimeError: no start", *"abcdefgh", ""])
    assert last_words_of(text) == "RuntimeError: no start | a | b | c | ... | h"
    assert last_words_of("one\ntwo\n") == "one | two"
    short = "a\nb\nc\nd\nTraceback\n  File x\nKeyError: 'k'\n"
    assert last_words_of(short) == "c | d | Traceback | File x | KeyError: 'k'"
