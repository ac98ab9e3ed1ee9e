"""What the benchmarks of servers share: a server pinned to one core, and wrk on another as the neutral client."""

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.bank import Bank
from harness.control import ControlChannel

ROOT = Path(__file__).parents[2]
SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
CORES = sorted(os.sched_getaffinity(0))
MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass
class Running:
    """A server: its address, its process with all children, and our own control channel if it is ours."""

    url: str
    process: subprocess.Popen
    control: ControlChannel | None = None
    ready: dict | None = None

    def tree(self):
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def cpu_s(self):
        return sum(sum(process.cpu_times()[:2]) for process in self.tree())

    def rss_mb(self):
        return sum(process.memory_info().rss for process in self.tree()) / 2**20

    def set(self, **knobs):
        self.control.send({"set": knobs})
        assert self.control.receive(20)["event"] == "set"


@dataclass
class Load:
    """What wrk said: answers with 2xx and others per second, percentiles over both, and the server's CPU."""

    good_rps: float
    other_rps: float
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of the server, per answer
    socket_errors: str


@contextlib.contextmanager
def ours(target, model="digits-mlp", **knobs):
    control, theirs = ControlChannel.pair()
    argv = ["taskset", "-c", str(CORES[0]), sys.executable, "-m", "targets", target, "--model", model]
    argv += ["--knobs", json.dumps(knobs), "--control-fd", str(theirs.fileno())]
    with theirs:
        process = subprocess.Popen(argv, cwd=ROOT, pass_fds=(theirs.fileno(),))
    try:
        while (message := control.receive(120)) and message["event"] == "progress":
            pass
        assert message, "the target ended before it was ready"
        assert message["event"] == "ready", message
        yield Running(message["url"] + f"/v2/models/{model}/infer", process, control, message)
    finally:
        control.close()
        process.wait(60)


@contextlib.contextmanager
def peer(argv, path, body, env):
    """A foreign server that takes its port as the last word; ready once it answers `body` with 200."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pinned = ["taskset", "-c", str(CORES[0]), *map(str, argv), str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(pinned, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **env}, **quiet)
    running = Running(f"http://127.0.0.1:{port}{path}", process)
    try:
        wait_until_it_answers(running, body)
        yield running
    finally:
        tree = running.tree()
        process.terminate()
        _, alive = psutil.wait_procs(tree, 10)
        for one in alive:
            one.kill()


def wait_until_it_answers(running, body):
    import urllib.request

    for _ in range(300):
        assert running.process.poll() is None, "the peer ended before it was ready"
        with contextlib.suppress(OSError):
            urllib.request.urlopen(running.url, body, timeout=5).close()
            return
        time.sleep(0.3)
    raise AssertionError("the peer does not answer")


def body_of(bank_path, rows=1):
    bank = Bank.load(Path(bank_path))
    inputs = bank.inputs[:rows]
    tensor = {"name": "input", "shape": list(inputs.shape), "datatype": "FP32", "data": inputs.ravel().tolist()}
    return json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode()


def wrk(running, connections, folder, body, seconds=SECONDS):
    (folder / "body.json").write_bytes(body)
    script = folder / "post.lua"
    script.write_text(
        'wrk.method="POST"\nwrk.headers["Content-Type"]="application/json"\n'
        f'local f=io.open("{folder / "body.json"}")\nwrk.body=f:read("*a")\nf:close()\n'
    )
    argv = ["taskset", "-c", str(CORES[-1]), "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency"]
    before_s = running.cpu_s()
    said = subprocess.run([*argv, "-s", script, running.url], capture_output=True, text=True, check=True).stdout
    cpu_s = running.cpu_s() - before_s
    count, took = re.search(r"(\d+) requests in ([\d.]+)s", said).groups()
    other = int(found[1]) if (found := re.search(r"Non-2xx or 3xx responses: (\d+)", said)) else 0
    count, took = int(count), float(took)
    errors = found[1] if (found := re.search(r"Socket errors: (.*)", said)) else ""
    p50_ms, p99_ms = (
        float(value) * MS[unit] for value, unit in re.findall(r"(?:50|99)%\s+([\d.]+)(us|ms|s)", said)[-2:]
    )
    return Load((count - other) / took, other / took, p50_ms, p99_ms, cpu_s * 1e6 / count, errors)
