"""A worker on another host: a network of its own, a clock of its own, and none of the master's files.

The host is made of Linux namespaces, joined to this one by a pair of virtual network devices. Its clock is ahead by a
known time, which is what the measured offset is held against.
"""

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.recorder import read_rows

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
HARNESS = [sys.executable, "-m", "harness"]
AHEAD_S = 5000
SERVICE_MS = 5.0
HERE, THERE = "10.213.7.1", "10.213.7.2"


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def other_host():
    """The words before a command that is run there."""
    if os.geteuid() != 0 or not (shutil.which("ip") and shutil.which("unshare")):
        pytest.skip("making a host needs root, ip (iproute2) and unshare (util-linux)")
    name, ours, theirs = (f"{word}{os.getpid() % 100_000}" for word in ("sweepspot", "swa", "swb"))
    ip("netns", "add", name)
    try:
        ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        ip("addr", "add", f"{HERE}/30", "dev", ours)
        ip("link", "set", ours, "up")
        ip("-n", name, "addr", "add", f"{THERE}/30", "dev", theirs)
        ip("-n", name, "link", "set", theirs, "up")
        ip("-n", name, "link", "set", "lo", "up")
        yield ["ip", "netns", "exec", name, "unshare", "--time", "--monotonic", str(AHEAD_S), "--mount", "--fork"]
    finally:
        ip("netns", "del", name)  # its end of the pair goes with it, and ours with that


def start(argv, cwd=ROOT):
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    argv = list(map(str, argv))
    return subprocess.Popen(argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def free_port():
    with socket.socket() as free:
        free.bind((HERE, 0))
        return free.getsockname()[1]


@pytest.fixture
def served(other_host):
    port = free_port()
    knobs = (f"delay_ms={SERVICE_MS}",)
    server = start([*HARNESS, "serve", "fixed", "--host", HERE, "--port", port, *knobs])
    assert any("Ctrl-C stops it" in line for line in server.stdout)
    yield f"http://{HERE}:{port}"
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=30)


def test_its_rows_come_back_on_our_clock(tmp_path, other_host, served):
    master, out = f"{HERE}:{free_port()}", tmp_path / "run"
    hide = f"mount -t tmpfs none {tmp_path} && cd / && exec "
    words = " ".join([*HARNESS, "worker", master, "--scenario", str(ROOT / "scenarios/predict.py")])
    worker = start([*other_host, "sh", "-c", hide + words])
    load = ("--arrivals", "poisson", "--rate", 200, "--seconds", "2s", "--warmup", "0.5s", "--repeats", 1)
    check = ("--check", "off", "--model", "digits-mlp", "--json", "--out", out)
    try:
        run = start([*HARNESS, "run", "--target", served, "--workers", 1, "--bind", master, *load, *check])
        said, _ = run.communicate(timeout=120)
    finally:
        for process in psutil.Process(worker.pid).children():  # unshare itself takes no notice of signals
            process.terminate()
    heard, _ = worker.communicate(timeout=60)
    assert run.returncode in (0, 4), said + heard
    (report,) = [json.loads(path.read_text()) for path in out.glob("trials/*/load*.json")]
    assert report["final"]
    assert abs(report["clock_offset_ns"] + AHEAD_S * 1e9) <= report["clock_error_ns"] < 1e8
    (file,) = out.glob("trials/*/requests*.arrow")
    rows = read_rows(file)
    assert rows.num_rows == report["rows_written"] > 300
    waited_ms = np.subtract(rows["done_ns"].to_numpy(), rows["due_ns"].to_numpy()) / 1e6
    assert waited_ms.min() >= SERVICE_MS
    with (out / "points.csv").open(newline="") as points:
        (point,) = csv.DictReader(points)
    assert float(point["throughput_rps"]) == pytest.approx(200, rel=0.2)
    assert [point[name] for name in ("error", "timeout", "aborted", "not_sent")] == ["0"] * 4
