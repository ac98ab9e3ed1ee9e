"""`harness worker` as it is used on another machine: from another folder, trial after trial, with its own token."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
HARNESS = [sys.executable, "-m", "harness"]
SECRET = "pl4nted.s3cret-of-a-worker"


def start(*words, cwd=ROOT, **environment):
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen(
        [*HARNESS, *map(str, words)], cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def served():
    port = free_port()
    server = start("serve", "null", "--port", port, SWEEPSPOT_TOKEN=SECRET)
    assert any("Ctrl-C stops it" in line for line in server.stdout)
    yield f"http://127.0.0.1:{port}"
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=30)


def test_one_worker_takes_part_in_every_trial(tmp_path, served):
    master, out = f"127.0.0.1:{free_port()}", tmp_path / "run"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    worker = start("worker", master, "--scenario", ROOT / "scenarios/predict.py", cwd=elsewhere, SWEEPSPOT_TOKEN=SECRET)
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
