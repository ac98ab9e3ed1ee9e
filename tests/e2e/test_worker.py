"""`harness worker` as it is used on another machine: from another folder, trial after trial, with its own token.

And from another host: a network of its own, a clock of its own, and none of the master's files. That host is made of
Linux namespaces, joined to this one by a pair of virtual network devices. Its clock is ahead by a known time, which is
what the measured offset is held against.
"""

import contextlib
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

from harness.record.recorder import read_rows

ROOT = Path(__file__).parents[2]
HARNESS = [sys.executable, "-m", "harness"]
SECRET = "pl4nted.s3cret-of-a-worker"
PAIRING = "the-secret-that-pairs-both"
LOCAL = "127.0.0.1"
HERE, THERE = "10.213.7.1", "10.213.7.2"  # ends of the pair that joins the other host
AHEAD_S = 5000
SERVICE_MS = 5.0


def start(*words, before=(), cwd=ROOT, **environment):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SWEEPSPOT_PAIRING": PAIRING, **environment}
    return subprocess.Popen(
        [*before, *HARNESS, *map(str, words)],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def free_port(host=LOCAL):
    with socket.socket() as free:
        free.bind((host, 0))
        return free.getsockname()[1]


@contextlib.contextmanager
def serving(*words, host=LOCAL, **environment):
    """Its address."""
    port = free_port(host)
    server = start("serve", *words, "--host", host, "--port", port, **environment)
    assert any("Ctrl-C stops it" in line for line in server.stdout)
    yield f"http://{host}:{port}"
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=30)


@pytest.fixture
def served():
    with serving("null", SWEEPSPOT_TOKEN=SECRET) as url:
        yield url


def test_one_worker_takes_part_in_every_trial(tmp_path, served):
    master, out = f"127.0.0.1:{free_port()}", tmp_path / "run"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    own = ("--scenario", ROOT / "scenarios/predict.py", "--target", served)
    worker = start("worker", master, *own, cwd=elsewhere, SWEEPSPOT_TOKEN=SECRET)
    load = ("--concurrency", "2", "--seconds", "1s", "--warmup", "0s", "--repeats", "2", "--out", out)
    words = ("run", "--target", served, "--model", "digits-mlp", "--workers", "1", "--bind", master, *load, "--json")
    run = start(*words, SWEEPSPOT_TOKEN=SECRET)
    said, _ = run.communicate(timeout=120)
    assert worker.poll() is None, "it waits for the next trial"
    worker.send_signal(signal.SIGTERM)
    heard, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0, heard
    assert run.returncode in (0, 4), said
    reports = [json.loads(path.read_text()) for path in sorted(out.glob("trials/*/load*.json"))]
    assert len(reports) == 2
    # `null` answers without a look: that its answers came at all shows that the token did.
    assert all(report["final"] and report["wrong"] == report["sent"] > 50 for report in reports), said
    assert SECRET not in heard
    assert not [file for file in out.rglob("*") if file.is_file() and PAIRING.encode() in file.read_bytes()]


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


def test_rows_of_another_host_come_back_on_our_clock(tmp_path, other_host):
    master, out = f"{HERE}:{free_port(HERE)}", tmp_path / "run"
    hidden = ("sh", "-c", f'mount -t tmpfs none {tmp_path} && cd / && exec "$@"', "sh")
    worker = start("worker", master, "--scenario", ROOT / "scenarios/predict.py", before=(*other_host, *hidden))
    load = ("--arrivals", "poisson", "--rate", 200, "--seconds", "2s", "--warmup", "0.5s", "--repeats", 1)
    check = ("--check", "off", "--model", "digits-mlp", "--json", "--out", out)
    try:
        with serving("fixed", f"delay_ms={SERVICE_MS}", host=HERE) as url:
            run = start("run", "--target", url, "--workers", 1, "--bind", master, *load, *check)
            said, _ = run.communicate(timeout=120)
    finally:
        for process in psutil.Process(worker.pid).children():  # unshare itself takes no notice of signals
            process.terminate()
    heard, _ = worker.communicate(timeout=60)
    assert run.returncode in (0, 4), said + heard
    (report,) = [json.loads(path.read_text()) for path in out.glob("trials/*/load*.json")]
    assert report["final"]
    assert abs(report["clock_offset_ns"] + AHEAD_S * 1e9) <= report["clock_error_ns"] < 1e8
    (file,) = out.glob("trials/*/requests*.parquet")
    rows = read_rows(file)
    assert rows.num_rows == report["rows_written"] > 300
    waited_ms = np.subtract(rows["done_ns"].to_numpy(), rows["due_ns"].to_numpy()) / 1e6
    assert waited_ms.min() >= SERVICE_MS
    with (out / "points.csv").open(newline="") as points:
        (point,) = csv.DictReader(points)
    assert float(point["throughput_rps"]) == pytest.approx(200, rel=0.2)
    assert [point[name] for name in ("error", "timeout", "aborted", "not_sent")] == ["0"] * 4


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("worker", "10.0.0.1"), "HOST:PORT 10.0.0.1: give an address and a port"),
        (("worker", "10.0.0.1:5557", "--scenario", "my.py"), "--scenario my.py: no such file"),
    ],
    ids=["no port", "no scenario"],
)
def test_a_worker_that_cannot_begin_says_so(words, complaint):
    worker = start(*words)
    said, _ = worker.communicate(timeout=30)
    assert (worker.returncode, complaint in said) == (2, True), said
