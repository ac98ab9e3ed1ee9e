import os
import subprocess
import sys
import time
from contextlib import contextmanager

import psutil
import pytest
from consumers import SHARED, UNWAITED, consumer, said

from harness.clock import NS_PER_S
from harness.measure.samplers.process_tree import ProcessTree, context_switches, descendants
from harness.system.cpu_group import CpuGroup

pytestmark = pytest.mark.process

BURN = "import os,sys\nwhile sum(os.times()[:2]) < {cpu_s}: pass\n"
WAIT = "print('ready', flush=True); sys.stdin.readline()\n"


@contextmanager
def child(code):
    """A Python process that prints `ready` and then reads lines from us."""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            process.stdout.readline()
            yield process
        finally:
            process.kill()


def go_on(process):
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline()


def values(readings):
    return {reading.metric: reading.value for reading in readings}


def test_cpu_memory_threads_and_switches_of_one_process():
    code = "import sys, threading\n" + BURN.format(cpu_s=0.3)
    code += "block = bytearray(50_000_000)\nfor _ in range(2): threading.Thread(target=threading.Event().wait,"
    code += " daemon=True).start()\n" + WAIT
    with child(code) as process:
        read = values(ProcessTree("target", process.pid).read(0))
        known = psutil.Process(process.pid)  # which reads other files
        assert read["cpu_s"] == pytest.approx(sum(known.cpu_times()[:4]), abs=2.5 / os.sysconf("SC_CLK_TCK"))
        assert read["cpu_s"] >= 0.25
        assert read["rss_bytes"] == pytest.approx(known.memory_info().rss, rel=0.05)
        assert 50e6 < read["rss_bytes"] < 50e6 + 60e6
        assert read["threads"] == 3
        assert read["context_switches"] > 0


def test_children_are_in_it_and_their_cpu_seconds_stay_after_they_ended():
    code = "import subprocess, sys\n" + WAIT
    code += f"subprocess.run([sys.executable, '-c', {BURN.format(cpu_s=0.4)!r}])\n" + WAIT
    with child(code) as process:
        tree = ProcessTree("target", process.pid)
        before = values(tree.read(0))["cpu_s"]
        go_on(process)
        after = values(tree.read(1))["cpu_s"]  # the child came and went unseen
        assert after - before >= 0.35


def test_a_living_child_counts_and_one_that_ended_takes_nothing_away():
    grandchild = f"import sys\n{BURN.format(cpu_s=0.3)}{WAIT}"
    code = f"import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', {grandchild!r}], "
    code += "stdin=subprocess.PIPE, stdout=subprocess.PIPE)\np.stdout.readline()\n"
    code += WAIT + "p.communicate(b'\\n')\n" + WAIT
    with child(code) as process:
        tree = ProcessTree("load", process.pid)
        with_child = values(tree.read(0))
        assert len(descendants(process.pid)) == 1
        assert with_child["threads"] == 2
        assert with_child["cpu_s"] >= 0.25
        go_on(process)
        without = values(tree.read(1))
        assert without["threads"] == 1
        assert without["cpu_s"] >= with_child["cpu_s"]


def test_an_orphan_stays_in_the_tree_and_its_end_takes_nothing_away():
    orphan = f"import os, sys\n{BURN.format(cpu_s=0.3)}import signal; print(os.getpid(), flush=True); signal.pause()"
    middle = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {orphan!r}])\n"
    middle += "sys.stdin.readline(); import os; os._exit(0)"
    code = f"import subprocess, sys\np = subprocess.Popen([sys.executable, '-c', {middle!r}], "
    code += "stdin=subprocess.PIPE, stdout=subprocess.PIPE)\nprint('ready', flush=True)\n"
    code += "print(int(p.stdout.readline()), flush=True); sys.stdin.readline()\n"
    code += "p.stdin.write(b'\\n'); p.stdin.flush(); p.wait(); print('adopted', flush=True); sys.stdin.readline()"
    with child(code) as process:
        orphan_pid = int(process.stdout.readline())
        tree = ProcessTree("target", process.pid)
        assert values(tree.read(0))["threads"] == 3
        adopted = psutil.Process(orphan_pid)
        assert go_on(process) == "adopted\n"
        before = values(tree.read(1))
        adopted.kill()
        psutil.wait_procs([adopted], timeout=10)
        after = values(tree.read(NS_PER_S))
        assert before["threads"] == 2
        assert after["threads"] == 1
        assert after["cpu_s"] >= before["cpu_s"] >= 0.25


def test_switches_and_children_are_listed_once_a_second():
    tree = ProcessTree("target", os.getpid())
    listed = ["context_switches" in values(tree.read(now)) for now in (0, NS_PER_S // 2, NS_PER_S, NS_PER_S + 1)]
    assert listed == [True, False, True, False]


def test_a_process_that_vanishes_is_an_error_sample_every_time():
    with child("import sys\n" + WAIT) as process:
        tree = ProcessTree("target", process.pid)
        assert values(tree.read(0))["cpu_s"] is not None
        process.kill()
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT) is None:
            pass
        for now_ns in (1, 2 * NS_PER_S):  # a zombie, which is not waited for yet
            assert [tuple(r) for r in tree.read(now_ns)] == [
                ("target", "cpu_s", None, f"process {process.pid} is gone")
            ]
        process.wait()
        assert tree.read(3 * NS_PER_S)[0].error == f"process {process.pid} is gone"


def test_a_process_that_never_was_is_an_error_sample():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert ProcessTree("load", process.pid).read(0)[0].error == f"process {process.pid} is gone"


def test_context_switches_are_those_of_every_thread():
    code = "import sys, threading\nfor _ in range(4): threading.Thread(target=threading.Event().wait, daemon=True)"
    with child(code + ".start()\n" + WAIT) as process:
        deadline = time.monotonic() + 10
        while len(counts := context_switches(process.pid)) < 5 and time.monotonic() < deadline:
            pass
        assert len(counts) == 5
    assert context_switches(process.pid) == {}
    assert descendants(process.pid) == []


def test_children_that_nobody_waits_for_are_counted_by_the_trees_group():
    group = CpuGroup.make()
    if group is None:
        pytest.skip("this user may not make a control group")
    with group, consumer("sys.stdin.readline()\n" + UNWAITED) as process:
        group.add(process.pid)
        counted, alone = ProcessTree("target", process.pid, group.path), ProcessTree("target", process.pid)
        process.stdin.write("go\n")
        process.stdin.flush()
        used_ns, _ = said(process)
        cpu_s = [next(r.value for r in tree.read(0) if r.metric == "cpu_s") for tree in (counted, alone)]
        start_up_s = 0.1  # the interpreter began before it was in the group
        assert cpu_s[0] == pytest.approx(used_ns / 1e9, abs=start_up_s)
        assert cpu_s[1] < cpu_s[0] / 2  # eight children of 30 ms, of which the process itself knows nothing
        assert process.pid in counted.pids


def test_memory_that_forks_share_counts_once():
    with consumer(SHARED) as process:
        [shared] = said(process)
        readings = {reading.metric: reading.value for reading in ProcessTree("target", process.pid).read(0)}
        if "pss_bytes" not in readings:
            pytest.skip("this system does not tell shared pages")
        assert shared < readings["pss_bytes"] < 2 * shared < readings["rss_bytes"]
