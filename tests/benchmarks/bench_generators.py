"""How fast are load generators, and what does a request cost them? Ours beside its peers, in one run.

    .venv/bin/python -m pytest -q -s --timeout 0 -o python_files='bench_*.py' tests/benchmarks/bench_generators.py

Closed loop against a C server that answers at once (`canned_server.c`, built with gcc), server on one core and
generator on another, runs of some seconds, peers interleaved, medians. Ours records every request and compares
every answer. What is not installed is listed, not skipped in silence.

PERF_ANALYZER=/path/to/it names that program where it is not on the PATH.

Further sections: bodies of 150 KB; how checking and recording are paid for; more load processes; memory.
"""

import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from harness.wire.payload_bank import Bank, BankMeta

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SECONDS = int(os.environ.get("BENCH_SECONDS", "3"))  # wrk knows no parts of one
REPEATS = int(os.environ.get("BENCH_REPEATS", "3"))
CONNECTIONS = tuple(int(word) for word in os.environ.get("BENCH_CONNECTIONS", "1,16,64,256").split(","))
ANSWER = {
    "model_name": "canned",
    "outputs": [{"name": "output", "datatype": "FP32", "shape": [1, 10], "data": [i / 10 for i in range(10)]}],
    # What perf_analyzer asks for before it begins: the server has one answer to all questions.
    "name": "canned",
    "versions": ["1"],
    "platform": "",
    "max_batch_size": 0,
    "inputs": [{"name": "input", "datatype": "FP32", "shape": [1, 64]}],
    "input": [{"name": "input", "data_type": "TYPE_FP32", "dims": [1, 64]}],
    "output": [{"name": "output", "data_type": "TYPE_FP32", "dims": [1, 10]}],
}
PERF_ANALYZER = os.environ.get("PERF_ANALYZER", "perf_analyzer")
MOST_OF_PERF_ANALYZER = 64  # with 256 connections on one core it did not end in 30 s, whatever it was asked


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("generators")
    subprocess.run(["gcc", "-O2", "-o", path / "server", HERE / "canned_server.c"], check=True)
    inputs = np.round(np.random.default_rng(1).random((360, 64), dtype=np.float32) * 16) / 16
    meta = BankMeta(model="canned", input_shape=(64,), output_shape=(10,))
    expected = np.tile(np.arange(10, dtype=np.float32) / 10, (360, 1))
    Bank(meta, inputs, np.zeros(360, np.int64), expected).save(path / "bank.npz")
    tensor = {"name": "input", "shape": [1, 64], "datatype": "FP32", "data": [float(x) for x in inputs[0]]}
    (path / "body.json").write_text(json.dumps({"inputs": [tensor]}, separators=(",", ":")))
    (path / "post.lua").write_text(
        f'wrk.method="POST"\nwrk.headers["Content-Type"]="application/json"\n'
        f'local f=io.open("{path / "body.json"}")\nwrk.body=f:read("*a")\nf:close()\n'
    )
    return path


@pytest.fixture
def url(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "CANNED_BODY": json.dumps(ANSWER, separators=(",", ":"))}
    argv = ["taskset", "-c", str(max(os.sched_getaffinity(0))), folder / "server", str(port), "0", "1800"]
    server = subprocess.Popen(argv, env=env, stdout=subprocess.PIPE)
    assert server.stdout.readline() == b"ready\n"
    yield f"http://127.0.0.1:{port}"
    server.kill()
    server.wait()


def measured(argv, env=None, cores=1):
    """(what it printed, CPU seconds of the generator with its children)."""
    core = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
    process = subprocess.Popen(
        ["taskset", "-c", core, *map(str, argv)], cwd=ROOT, env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, text
    return text, usage.ru_utime + usage.ru_stime


def ours(url, connections, folder, *more, scenario="scenarios/predict.py", cores=1):
    trial = folder / f"trial-{time.monotonic_ns()}"
    argv = [sys.executable, "-m", "locust", "-f", scenario, "--headless", "--only-summary"]
    argv += ["-u", connections, "-r", connections, "--host", url, "--bank", folder / "bank.npz"]
    argv += ["--protocol", "http-json", "--warmup", "0.5s", "--measure", f"{SECONDS}s", "--trial-dir", trial, *more]
    measured(argv, cores=cores)
    reports = [json.loads(path.read_text()) for path in trial.glob("load*.json")]
    assert not any(report["wrong"] or report["error"] for report in reports)
    assert all(report["ok"] == report["rows_written"] for report in reports)
    shutil.rmtree(trial)
    # Of the measured window alone: starting Python is no part of a request.
    rate = sum(report["ok"] for report in reports) / (SECONDS + 0.5)
    return rate, sum(report["health"]["cpu_ns"] for report in reports) / 1e3 / (rate * SECONDS)


def tasks(url, connections, folder):
    return ours(url, connections, folder, scenario="scenarios/tasks.py")


def locust(kind):
    def run(url, connections, folder):
        env = {"BENCH_USER": kind, "BENCH_BODY": str(folder / "body.json")}
        argv = [sys.executable, "-m", "locust", "-f", HERE / "plain_locust.py", "--headless", "--only-summary"]
        argv += ["-u", connections, "-r", connections, "-t", f"{SECONDS:g}s", "--host", url]
        text, _ = measured(argv, env)
        cpu_s = float(re.search(r"CPU ([\d.]+)", text)[1])  # of the test alone
        count = int(re.findall(r"Aggregated\s+(\d+)", text)[0])
        return count / SECONDS, cpu_s * 1e6 / max(count, 1)

    return run


def wrk(url, connections, folder):
    text, cpu_s = measured(["wrk", "-t1", f"-c{connections}", f"-d{SECONDS:g}s", "-s", folder / "post.lua", url + "/i"])
    count = int(re.search(r"(\d+) requests in", text)[1])
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), cpu_s * 1e6 / count


def hey(url, connections, folder):
    argv = ["hey", "-z", f"{SECONDS:g}s", "-c", connections, "-m", "POST", "-T", "application/json"]
    text, cpu_s = measured([*argv, "-D", folder / "body.json", url + "/i"], {"GOMAXPROCS": "1"})
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    return rate, cpu_s * 1e6 / (rate * SECONDS)


def perf_analyzer(url, connections, folder):
    """It sends binary tensors, and is told how many: for a time instead, it does not end with 64 connections."""
    if connections > MOST_OF_PERF_ANALYZER:
        return None
    count = SECONDS * (6_000 if connections == 1 else 15_000)
    argv = [PERF_ANALYZER, "-m", "canned", "-u", url.partition("//")[2], "--concurrency-range", connections]
    text, cpu_s = measured(["timeout", "60", *argv, "--request-count", count])
    return float(re.search(r"throughput: ([\d.]+) infer/sec", text)[1]), cpu_s * 1e6 / count


GENERATORS = {
    "sweepspot (scenarios/predict.py)": (ours, None),
    "sweepspot, Python tasks (scenarios/tasks.py)": (tasks, None),
    "wrk": (wrk, "wrk"),
    "hey": (hey, "hey"),
    "perf_analyzer": (perf_analyzer, PERF_ANALYZER),
    "Locust FastHttpUser": (locust("fast"), None),
    "Locust HttpUser": (locust("http"), None),
}


def test_generators(url, folder):
    """At 1, 16, 64 and 256 connections, small bodies."""
    keep("generators", compared(url, folder, CONNECTIONS, GENERATORS))


def compared(url, folder, levels, generators):
    here = {name: run for name, (run, program) in generators.items() if program is None or shutil.which(program)}
    found = {name: {connections: [] for connections in levels} for name in here}
    for _ in range(REPEATS):
        for connections in levels:
            for name, run in here.items():
                found[name][connections].append(run(url, connections, folder))
    lines = table(found, levels)
    lines += [f"Not installed here: {', '.join(generators.keys() - here.keys()) or 'none'}."]
    print("\n" + "\n".join(lines))
    return lines


def test_large_bodies(url, folder):
    """150 KB in each request: 37 500 numbers of float32 as a binary tensor."""
    large = folder / "large"
    large.mkdir()
    inputs = np.random.default_rng(1).random((16, 37_500), dtype=np.float32)
    meta = BankMeta(model="canned", input_shape=(37_500,), output_shape=(10,))
    expected = np.tile(np.arange(10, dtype=np.float32) / 10, (16, 1))
    Bank(meta, inputs, np.zeros(16, np.int64), expected).save(large / "bank.npz")
    (large / "body.json").write_bytes(inputs[0].tobytes())
    (large / "post.lua").write_text((folder / "post.lua").read_text().replace(str(folder), str(large)))
    binary = lambda *given: ours(*given, "--protocol", "http-binary")  # noqa: E731
    peers = {name: GENERATORS[name] for name in ("wrk", "hey", "Locust FastHttpUser")}
    keep("generators, bodies of 150 KB", compared(url, large, (16,), {"sweepspot": (binary, None), **peers}))


def test_checking(url, folder):
    """What comparing answers costs."""
    modes = {f"--check {mode}": (partial(_checked, mode), None) for mode in ("all", "sample", "off")}
    keep("generators, checking", compared(url, folder, (64,), modes))


def _checked(mode, url, connections, folder):
    return ours(url, connections, folder, "--check", mode)


def test_more_processes(url, folder):
    """One and two load processes, with both cores for all: the server takes its part of one of them."""
    several = {f"{count} load processes": (partial(_with_processes, count), None) for count in (1, 2)}
    keep("generators, load processes", compared(url, folder, (64,), several))


def _with_processes(count, url, connections, folder):
    more = ("--processes", count, "--master-bind-port", "5611", "--master-port", "5611") if count > 1 else ()
    return ours(url, connections, folder, *more, cores=2)


def test_memory(url, folder):
    """Rows go to the disk: the load process must not grow by more than 1 MB per 100 000 requests."""
    trial = folder / "memory"
    argv = [sys.executable, "-m", "locust", "-f", "scenarios/predict.py", "--headless", "--only-summary", "-u", "64"]
    argv += ["-r", "64", "--host", url, "--bank", folder / "bank.npz", "--protocol", "http-json", "--measure", "20s"]
    locust = subprocess.Popen([*map(str, argv), "--trial-dir", str(trial)], cwd=ROOT, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)  # fmt: skip
    seen = []
    while locust.poll() is None:
        time.sleep(1.0)
        try:
            sent = json.loads((trial / "load.json").read_text())["sent"]
            seen.append((sent, rss_kb(locust.pid)))
        except (OSError, ValueError, TypeError):  # not begun, or just ended
            continue
    settled = [(sent, kb) for sent, kb in seen if sent > seen[-1][0] / 4]  # buffers and caches have their size by then
    slope_kb = np.polyfit(*zip(*settled, strict=True), 1)[0] * 100_000
    first_mb, last_mb = seen[0][1] / 1024, seen[-1][1] / 1024
    text = f"{seen[-1][0]:,} requests at 64 connections: {first_mb:.0f} MB at the start, {last_mb:.0f} MB at the end; "
    lines = [text + f"{slope_kb / 1024:+.2f} MB per 100 000 requests after the first quarter."]
    print(lines[0])
    keep("generators, memory", lines)
    assert slope_kb < 1024


def rss_kb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])


def table(found, levels):
    lines = [
        "| generator | " + " | ".join(f"{connections} connections" for connections in levels) + " |",
        "|---|" + "---|" * len(levels),
    ]
    for name, by_connections in found.items():
        cells = []
        for connections in levels:
            if None in by_connections[connections]:
                cells.append("-")
                continue
            rate = statistics.median(rate for rate, _ in by_connections[connections])
            cpu_us = statistics.median(cpu_us for _, cpu_us in by_connections[connections])
            ours_rate = statistics.median(rate for rate, _ in next(iter(found.values()))[connections])
            cells.append(f"{rate:,.0f}/s, {cpu_us:.0f} µs; ours ×{ours_rate / rate:.2g}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def keep(section, lines):
    """Replace one section of RESULTS.md."""
    path = HERE / "RESULTS.md"
    text = path.read_text() if path.exists() else "# What the benchmarks printed\n"
    head = f"\n## {section}\n"
    where = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    busy = f", load average {os.getloadavg()[0]:.0f}" if os.getloadavg()[0] > 3 else ""  # others were at work
    how = f"runs of {SECONDS:g} s, medians of {REPEATS}; requests/s, CPU of the generator per request{busy}"
    body = "\n".join([head, f"{time.strftime('%Y-%m-%d')}, {where}, {how}", "", *lines, ""])
    text = re.sub(rf"{re.escape(head)}.*?(?=\n## |\Z)", "", text, flags=re.DOTALL) + body
    path.write_text(text)
