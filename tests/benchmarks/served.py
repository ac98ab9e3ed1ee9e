"""What the benchmarks of servers share: a server pinned to one core, and wrk on another as the neutral client."""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from harness.system.control_channel import ControlChannel
from harness.wire.payload_bank import Bank
from harness.wire.server_url import free_ports

ROOT = Path(__file__).parents[2]
SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))  # whole ones: wrk knows no others
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
CORES = sorted(os.sched_getaffinity(0))
MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
TARGETS = ("-m", "targets")
NO_MODEL = (str(Path(__file__).parent / "no_model.py"),)


@dataclass(frozen=True)
class Body:
    """What is posted, and the headers that say what it is."""

    content: bytes
    headers: dict = field(default_factory=lambda: {"Content-Type": "application/json"})


def v2_json(bank, rows=1):
    inputs = bank.inputs[:rows]
    name = bank.meta.input_name
    tensor = {"name": name, "shape": list(inputs.shape), "datatype": "FP32", "data": inputs.ravel().tolist()}
    return Body(json.dumps({"inputs": [tensor]}, separators=(",", ":")).encode())


def v2_binary(bank, rows=1):
    raw = bank.inputs[:rows].astype("<f4").tobytes()
    tensor = {"name": bank.meta.input_name, "shape": [rows, *bank.meta.input_shape], "datatype": "FP32"}
    tensor["parameters"] = {"binary_data_size": len(raw)}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    lengths = {"Inference-Header-Content-Length": str(len(head))}
    return Body(head + raw, {"Content-Type": "application/octet-stream", **lengths})


def raw(bank):
    return Body(bank.inputs[:1].tobytes(), {"Content-Type": "application/octet-stream"})


@dataclass
class Running:
    """A server: its address, what it is asked, its process with all children; our own control channel if it is ours."""

    url: str
    process: subprocess.Popen
    body: Body
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

    def ask(self):
        request = urllib.request.Request(self.url, self.body.content, self.body.headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()


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
def ours(target, model="digits-mlp", form=v2_json, program=TARGETS, pinned=CORES[:1], **knobs):
    """One of our targets on the cores `pinned`; `form` makes its body from the bank."""
    control, theirs = ControlChannel.pair()
    argv = ["taskset", "-c", ",".join(map(str, pinned)), sys.executable, *program, target, "--model", model]
    argv += ["--knobs", json.dumps(knobs), "--control-fd", str(theirs.fileno())]
    with theirs:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(argv, cwd=ROOT, env=env, pass_fds=(theirs.fileno(),))
    try:
        while (message := control.receive(120)) and message["event"] == "progress":
            pass
        assert message, "the target ended before it was ready"
        assert message["event"] == "ready", message
        body = form(Bank.load(Path(message["bank"])))
        yield Running(f"{message['url']}/v2/models/{model}/infer", process, body, control, message)
    finally:
        control.close()
        process.wait(60)


@contextlib.contextmanager
def peer(argv, path, body, env):
    """A foreign server that takes its port as the last word; ready once it answers `body` with 200."""
    port = free_ports(1)[0]
    pinned = ["taskset", "-c", str(CORES[0]), *map(str, argv), str(port)]
    with (ROOT / "results" / "peer.log").open("ab") as log:
        process = subprocess.Popen(
            pinned, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **env}, stdout=log, stderr=log
        )
    running = Running(f"http://127.0.0.1:{port}{path}", process, body)
    try:
        _wait_until_it_answers(running)
        yield running
    finally:
        tree = running.tree() if process.poll() is None else []
        process.terminate()
        _, alive = psutil.wait_procs(tree, 10)
        for one in alive:
            one.kill()


def _wait_until_it_answers(running):
    for _ in range(300):
        assert running.process.poll() is None, "the peer ended before it was ready; results/peer.log says why"
        with contextlib.suppress(OSError):
            running.ask()
            return
        time.sleep(0.3)
    raise AssertionError("the peer does not answer; results/peer.log may say why")


def scrape(running):
    """The server's counters, summed over its processes, by name without the replica."""
    with urllib.request.urlopen(running.url.partition("/v2")[0] + "/metrics", timeout=20) as answer:
        text = answer.read().decode()
    found = {}
    for name, labels, value in re.findall(r"^(sweepspot_\w+)(?:\{(.*?)\})? (\S+)$", text, re.MULTILINE):
        key = (name, ",".join(label for label in labels.split(",") if label and not label.startswith("replica")))
        found[key] = found.get(key, 0.0) + float(value)
    return found


def wrk(running, connections, folder, seconds=SECONDS, pinned=CORES[-1:]):
    """Drive `running` from the cores `pinned`."""
    (folder / "body").write_bytes(running.body.content)
    headers = "".join(f'wrk.headers["{name}"]="{value}"\n' for name, value in running.body.headers.items())
    script = folder / "post.lua"
    script.write_text(
        f'wrk.method="POST"\n{headers}local f=io.open("{folder / "body"}","rb")\nwrk.body=f:read("*a")\nf:close()\n'
    )
    argv = ["taskset", "-c", ",".join(map(str, pinned)), "wrk", "-t1", f"-c{connections}", f"-d{round(seconds)}s"]
    before_s = running.cpu_s()
    done = subprocess.run([*argv, "--latency", "-s", script, running.url], capture_output=True, text=True, check=False)
    assert not done.returncode, f"{done.stderr or done.stdout} (exit code of the server: {running.process.poll()})"
    said = done.stdout
    cpu_s = running.cpu_s() - before_s
    count, took = re.search(r"(\d+) requests in ([\d.]+)(s|m)", said).groups()[:2]
    other = int(found[1]) if (found := re.search(r"Non-2xx or 3xx responses: (\d+)", said)) else 0
    count, took = int(count), float(took)
    errors = found[1] if (found := re.search(r"Socket errors: (.*)", said)) else ""
    p50_ms, p99_ms = (
        float(value) * MS[unit] for value, unit in re.findall(r"(?:50|99)%\s+([\d.]+)(us|ms|s)", said)[-2:]
    )
    return Load((count - other) / took, other / took, p50_ms, p99_ms, cpu_s * 1e6 / max(count, 1), errors)
