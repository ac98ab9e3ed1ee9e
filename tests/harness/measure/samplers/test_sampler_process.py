import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness.errors import RunError
from harness.measure.samplers.sampler_process import SamplerProcess
from harness.record.samples import read_samples
from harness.system.cpu_cores import usable_cores

pytestmark = pytest.mark.process


def metrics_of(path):
    return {(row["source"], row["metric"]) for row in read_samples(path).to_pylist()}


def test_it_reads_target_load_machine_and_itself_on_the_cores_it_was_given(tmp_path):
    out = tmp_path / "samples.arrow"
    core = usable_cores()[-1:]
    with SamplerProcess(out=out, target_pid=os.getpid(), load_pid=os.getppid(), cores=core, interval_ms=20) as sampler:
        assert metrics_of(out) >= {("target", "cpu_s"), ("load", "rss_bytes"), ("sampler", "cpu_s")}
        assert os.sched_getaffinity(sampler.pid) == set(core)
        assert "/pandas/" not in Path(f"/proc/{sampler.pid}/maps").read_text()  # a quarter of a second to import
    assert sampler.failure is None
    assert sampler.pid is None
    table = read_samples(out)
    assert set(table.column("source").to_pylist()) >= {"target", "load", "machine", "sampler"}
    assert min(table.column("late_ns").to_pylist()) >= 0
    sampler.stop()  # a second time does nothing


def test_a_target_that_vanishes_does_not_end_it(tmp_path):
    out = tmp_path / "samples.arrow"
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with SamplerProcess(out=out, target_pid=gone.pid, load_pid=os.getpid(), interval_ms=20):
        pass
    rows = read_samples(out).to_pylist()
    assert {row["error"] for row in rows if row["source"] == "target"} == {f"process {gone.pid} is gone"}
    assert any(row["value"] for row in rows if row["source"] == "load")


def test_kill_9_leaves_what_was_read_and_is_told(tmp_path):
    out = tmp_path / "samples.arrow"
    sampler = SamplerProcess(out=out, target_pid=None, load_pid=os.getpid(), interval_ms=20)
    sampler.start()
    os.kill(sampler.pid, signal.SIGKILL)
    sampler.stop()
    assert sampler.failure == "the sampler process was ended by SIGKILL"
    assert ("load", "cpu_s") in metrics_of(out)


def test_a_file_that_cannot_be_written_is_one_clear_line(tmp_path):
    sampler = SamplerProcess(out=tmp_path / "no-folder" / "samples.arrow", target_pid=None, load_pid=os.getpid())
    with pytest.raises(RunError, match=r"samplers did not start .*FileNotFoundError"):
        sampler.start()
    assert sampler.pid is None


def test_it_ends_when_its_parent_is_killed(tmp_path):
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from harness.measure.samplers.sampler_process import SamplerProcess\n"
        "s = SamplerProcess(out=Path(sys.argv[1]), target_pid=None, load_pid=os.getpid())\n"
        "s.start(); print(s.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "samples.arrow")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        sampler = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    try:
        psutil.wait_procs([sampler], timeout=20)
        assert not sampler.is_running() or sampler.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        pass
