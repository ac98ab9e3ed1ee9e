"""Users with code of their own, and other clients, in real `locust` processes."""

import json
import re
import subprocess
import sys
from pathlib import Path

from harness.record.recorder import read_rows
from harness.record.rows import Outcome
from harness.wire.server_url import free_ports

ROOT = Path(__file__).parents[2]

OWN = """
import gevent
import numpy as np
from locust import task
from harness.users import SweepspotUser

class Own(SweepspotUser):
    def on_start(self):
        self.steps = 0

    @task
    def step(self):
        self.steps += 1
        answer = self.infer()
        assert answer.ok and answer.output.size == 10
        assert self.infer(3).ok
        own = self.infer(np.zeros(64))
        assert own.ok and own.output.size == 10
        document = self.client.get("/v2/models/digits-mlp", name="model")
        assert document.ok and document.json()["name"] == "digits-mlp"
        missing = self.client.post("/nowhere", json={"a": 1})
        assert (missing.status_code, missing.ok) == (404, False)
        with gevent.Timeout(0.0001, False):
            self.infer()
            self.infer()
"""

OTHERS = """
from locust import FastHttpUser, HttpUser, constant, task
import harness.users

class Fast(FastHttpUser):
    wait_time = constant(0.01)

    @task
    def look(self):
        self.client.get("/v2/health/ready", name="ready")
        self.client.get("/nowhere")

class Http(HttpUser):
    wait_time = constant(0.01)

    @task
    def look(self):
        with self.client.get("/v2/health/live", catch_response=True) as answer:
            answer.failure("not what I wanted")
"""


def run(tmp_path, text, *words):
    scenario = tmp_path / "mine.py"
    scenario.write_text(f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{text}")
    argv = [sys.executable, "-m", "locust", "-f", scenario, "--headless", "--only-summary", "-u", "4", "-r", "4",
            "--trial-dir", tmp_path / "trial", "--stop-timeout", "5", *words]  # fmt: skip
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    output = done.stdout + done.stderr
    assert "Traceback" not in output, output
    reports = [json.loads(path.read_text()) for path in sorted((tmp_path / "trial").glob("load*.json"))]
    rows = [row for path in (tmp_path / "trial").glob("requests*.arrow") for row in read_rows(path).to_pylist()]
    for report in reports:
        ended = ("ok", "wrong", "error", "timeout", "rejected", "aborted")
        assert report["scheduled"] == report["sent"] == sum(report[name] for name in ended)
    assert sum(report["rows_written"] for report in reports) == len(rows)
    total = next(line.split() for line in output.splitlines() if "Aggregated" in line)
    # What a client of Locust's own still had open when the test ended is told too late, and said to be.
    late = sum(map(int, re.findall(r"after the rows were closed, without a row: (\d+)", output)))
    assert int(total[1]) == len(rows) + late
    return done.returncode, reports, rows


def by_class(reports, rows):
    names = reports[0]["request_classes"]
    return {name: [row for row in rows if row["request_class"] == number] for number, name in enumerate(names)}


def test_tasks_call_wait_and_are_written_down(tmp_path):
    code, reports, rows = run(tmp_path, OWN, "--target", "null", "--measure", "1s")
    assert code == 1  # the answers of 404 are failures
    classes = by_class(reports, rows)
    assert set(classes) == {"predict", "infer, own payload", "model", "/nowhere"}
    assert {row["status"] for row in classes["/nowhere"]} == {404}
    assert {row["checked"] for row in classes["predict"]} == {1}
    assert {row["checked"] for row in classes["infer, own payload"]} == {0}
    assert 3 in {row["payload"] for row in classes["predict"]}
    for row in rows:
        assert row["due_ns"] <= row["sent_ns"] <= row["first_byte_ns"] <= row["done_ns"]
    assert reports[0]["stop_reason"] == "measured"


def test_two_processes_record_both(tmp_path):
    port = str(free_ports(1)[0])  # Locust's own is for one run on a machine
    _, reports, rows = run(tmp_path, OWN, "--target", "null", "--measure", "1s", "--processes", "2",
                           "--master-bind-port", port, "--master-port", port)  # fmt: skip
    assert len(reports) == 2
    assert len(rows) > 10


def test_requests_of_locusts_own_clients_are_rows_too(tmp_path):
    code, reports, rows = run(tmp_path, OTHERS, "--target", "null", "-t", "2s")
    assert code == 1
    classes = by_class(reports, rows)
    outcomes = {name: {Outcome(row["outcome"]).name for row in each} for name, each in classes.items()}
    assert outcomes == {"ready": {"OK"}, "/nowhere": {"ERROR"}, "/v2/health/live": {"WRONG"}}
    assert {row["status"] for row in classes["/nowhere"]} == {404}
    for row in rows:
        assert 0 < row["done_ns"] - row["due_ns"] < 2_000_000_000
        assert row["first_byte_ns"] is None
    assert set(reports[0]["errors"]) == {"HTTP 404", "a wrong response: not what I wanted"}
