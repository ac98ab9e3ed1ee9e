"""How fast is the gRPC front of the batched server, beside JSON over HTTP and beside another checkout of this project?

    BENCH_OTHER=/path/of/another/checkout python -m pytest -q -s --timeout 0 -o python_files='bench_*.py' \
        tests/benchmarks/bench_grpc.py

Every server is pinned to one core, the load to another. Servers take turns. A cell has the answers per second of the
server's CPU time, which other work on the machine disturbs least, and per second of the clock; the medians. Answers are
counted by the server. The loads: this project's load client, tritonclient in four processes, h2load (apt-get install
nghttp2-client) and perf_analyzer (in the wheel of tritonclient 2.46.0) where they are installed. BENCH_SECONDS and
BENCH_REPEATS change length and number of runs.
"""

import contextlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.wire.grpc.messages import message
from harness.wire.payload_bank import Bank
from targets.preparation import prepare
from tests.benchmarks import served
from tests.benchmarks.bench_servers import ONNX, start_peer
from tests.benchmarks.served import CORES, REPEATS, ROOT, SECONDS, ours, scrape, wrk

pytestmark = pytest.mark.process

OTHER = os.environ.get("BENCH_OTHER", "")
METHOD = "/inference.GRPCInferenceService/ModelInfer"
KNOBS = {"batch_size": 64, "engine": "onnxruntime", "intra_op_threads": 1, "inter_op_threads": 1, "grpc_port": 0}
TRITON = """
import sys, time, numpy as np
from tritonclient import grpc
from harness.wire.payload_bank import Bank
bank = Bank.load(sys.argv[2])
with grpc.InferenceServerClient(sys.argv[1]) as client:
    tensor = grpc.InferInput("input", [1, 64], "FP32")
    tensor.set_data_from_numpy(bank.inputs[:1])
    end = time.monotonic() + float(sys.argv[3])
    while time.monotonic() < end:
        answer = client.infer("digits-mlp", [tensor]).as_numpy("output")
    assert np.allclose(answer, bank.expected[:1], atol=bank.meta.tolerance)
"""


def harness_load(protocol, connections):
    def run(ready, folder):
        url = ready["grpc_url"] if protocol == "grpc" else ready["url"]
        argv = [
            sys.executable,
            "-m",
            "harness",
            "run",
            "--target",
            url,
            "--protocol",
            protocol,
            "--model",
            "digits-mlp",
        ]
        argv += ["--concurrency", str(connections), "--seconds", f"{SECONDS}s", "--warmup", "0.5s", "--out"]
        return [[*argv, str(folder / f"run-{time.monotonic_ns()}")]]

    return run


def triton_load(processes):
    def run(ready, folder):
        del folder
        address = ready["grpc_url"].removeprefix("grpc://")
        return [[sys.executable, "-c", TRITON, address, ready["bank"], str(SECONDS)]] * processes

    return run


def h2load(connections, streams, model="digits-mlp"):
    def run(ready, folder):
        bank = Bank.load(Path(ready["bank"]))
        tensor = {"name": "input", "datatype": "FP32", "shape": [1, 64]}
        content = message("ModelInferRequest")(
            model_name=model, inputs=[tensor], raw_input_contents=[bank.inputs[:1].tobytes()]
        ).SerializeToString()
        (folder / "message").write_bytes(b"\0" + len(content).to_bytes(4, "big") + content)
        url = ready["grpc_url"].replace("grpc://", "http://") + METHOD
        argv = [
            "h2load",
            "-t1",
            f"-c{connections}",
            f"-m{streams}",
            f"-D{round(SECONDS)}",
            "-d",
            str(folder / "message"),
        ]
        return [[*argv, "-H", "content-type: application/grpc", "-H", "te: trailers", url]]

    return run


def perf_analyzer(concurrency):
    def run(ready, folder):
        del folder
        address = ready["grpc_url"].removeprefix("grpc://")
        argv = ["perf_analyzer", "-m", "digits-mlp", "-u", address, "-i", "grpc", "--async"]
        return [
            [
                *argv,
                "--concurrency-range",
                str(concurrency),
                "--measurement-interval",
                str(int(SECONDS * 1000)),
                "--max-trials",
                "3",
            ]
        ]

    return run


def loads():
    yield "this project's client, JSON over HTTP, 128 connections", harness_load("http-json", 128)
    for connections in (8, 32, 128):
        yield f"this project's client, gRPC, {connections} connections", harness_load("grpc", connections)
    yield "tritonclient, 4 processes", triton_load(4)
    if shutil.which("h2load"):
        yield "h2load, 32 connections", h2load(32, 1)
        yield "h2load, 4 connections of 32 streams", h2load(4, 32)
    if shutil.which("perf_analyzer"):
        yield "perf_analyzer, 64 calls at a time", perf_analyzer(64)


def measured(running, argvs):
    """(answers per second of the server's CPU, answers per second)."""

    def ok():
        return scrape(running)[("sweepspot_requests_total", 'outcome="ok"')]

    pinned = ["taskset", "-c", str(CORES[-1])]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    before, cpu_s, start = ok(), running.cpu_s(), time.monotonic()
    processes = [
        subprocess.Popen([*pinned, *argv], env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for argv in argvs
    ]
    for process in processes:
        said = process.communicate(timeout=120)[1]
        assert process.returncode in (0, 2, 3, 4), said.decode()
    took = time.monotonic() - start
    count = ok() - before
    assert count > 0
    return count / (running.cpu_s() - cpu_s), rate_of(argvs[0]) or count / took


def rate_of(argv):
    """The rate in the trial's own report, where `harness run` made the load; its start is no part of it."""
    if "harness" not in argv:
        return None
    (report,) = Path(argv[-1]).glob("trials/*/load.json")
    return json.loads(report.read_text())["ok"] / SECONDS


@contextlib.contextmanager
def from_checkout(root):
    """The target of `root`."""
    before, served.ROOT = served.ROOT, Path(root)
    try:
        with ours("batched", **KNOBS) as running:
            yield running
    finally:
        served.ROOT = before


def by_h2load(running, ready, connections, folder, model="digits-mlp"):
    """(answers per second of the server's CPU, answers per second), as h2load counts them."""
    ((*argv, url),) = h2load(connections, 1, model)(ready, folder)
    cpu_s = running.cpu_s()
    said = subprocess.run(
        ["taskset", "-c", str(CORES[-1]), *argv, url], capture_output=True, text=True, check=True
    ).stdout
    count = int(re.search(r"(\d+) succeeded", said)[1])
    assert count > 0, said
    return count / (running.cpu_s() - cpu_s), count / SECONDS


def by_wrk(running, connections, folder):
    load = wrk(running, connections, folder)
    return 1e6 / load.cpu_us, load.good_rps


def test_beside_peers(tmp_path):
    """The same model and engine behind each server; PyTriton over gRPC, mosec with bare bytes over HTTP."""
    model = prepare("digits-mlp", lambda *_: None)
    seen = {}
    with contextlib.ExitStack() as stack:
        own = stack.enter_context(from_checkout(ROOT))
        triton = stack.enter_context(start_peer("PyTriton", ONNX, model, binary=True)[0])
        port = int(triton.url.split(":")[2].partition("/")[0])
        other = port + 10_000 if port < 50_000 else port - 10_000  # as the peer chooses it
        ready = {"bank": own.ready["bank"], "grpc_url": f"grpc://127.0.0.1:{other}"}
        mosec = stack.enter_context(start_peer("mosec", ONNX, model, binary=True)[0])
        ways = {
            "batched, gRPC": lambda n: by_h2load(own, own.ready, n, tmp_path),
            "Triton (PyTriton), gRPC": lambda n: by_h2load(triton, ready, n, tmp_path, "m"),
            "batched, JSON over HTTP": lambda n: by_wrk(own, n, tmp_path),
            "mosec, bytes over HTTP": lambda n: by_wrk(mosec, n, tmp_path),
        }
        for _ in range(REPEATS):
            for connections in (8, 32, 128):
                for name, load in ways.items():
                    seen.setdefault((name, connections), []).append(load(connections))
                    print(name, connections, seen[name, connections][-1], flush=True)
    print("| server | 8 connections | 32 connections | 128 connections |\n|---|---|---|---|")
    for name in ways:
        cells = [[statistics.median(column) for column in zip(*seen[name, each], strict=True)] for each in (8, 32, 128)]
        print(f"| {name} | " + " | ".join(f"{per_core:,.0f}, {rps:,.0f}/s" for per_core, rps in cells) + " |")


def test_grpc_front(tmp_path):
    seen = {}
    with contextlib.ExitStack() as stack:
        servers = {"this checkout": stack.enter_context(from_checkout(ROOT))}
        if OTHER:
            servers["the other one"] = stack.enter_context(from_checkout(OTHER))
        for _ in range(REPEATS):
            for name, load in loads():
                for server, running in servers.items():
                    seen.setdefault((name, server), []).append(measured(running, load(running.ready, tmp_path)))
                    print(name, server, seen[name, server][-1], flush=True)
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d}, {platform.machine()}, {len(CORES)} cores, Python {platform.python_version()}"
    )
    print("| load | " + " | ".join(servers) + " |\n|---|" + "---|" * len(servers))
    for name, _ in loads():
        medians = [[statistics.median(column) for column in zip(*seen[name, each], strict=True)] for each in servers]
        print(f"| {name} | " + " | ".join(f"{per_core:,.0f}, {rps:,.0f}/s" for per_core, rps in medians) + " |")
