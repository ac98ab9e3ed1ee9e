"""Users that end, never come, wait or crash: what is reported is what acted."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from http_service import JsonHandler, served_by

ROOT = Path(__file__).parents[2]
LOCUSTFILE = """
from itertools import count
from locust import LoadTestShape, constant, task
from harness.users import InferenceUser, SweepspotUser
N = count()
"""
RAISES = (
    LOCUSTFILE
    + """
class U(SweepspotUser):
    def on_start(self):
        if next(N) % 4:
            raise RuntimeError("login failed")

    @task
    def go(self):
        self.infer()
"""
)
STANDS = (
    LOCUSTFILE
    + """
import gevent
from locust import HttpUser

class U(HttpUser):
    def on_start(self):
        if next(N) % 4:
            gevent.sleep(60)

    @task
    def go(self):
        self.client.get("/v2")
"""
)
SHAPE = (
    LOCUSTFILE
    + """
class U(SweepspotUser):
    @task
    def go(self):
        self.infer()

class Shape(LoadTestShape):
    def tick(self):
        return (2, 2) if self.get_run_time() < 30 else None
"""
)
CRASHES = (
    LOCUSTFILE
    + """
class U(SweepspotUser):
    @task
    def go(self):
        self.infer()
        if next(N) % 2:
            raise KeyError("predictions")
"""
)
WAITS = (
    LOCUSTFILE
    + """
class U(InferenceUser):
    wait_time = constant(0.5)
"""
)


def run(folder, text, *words, target=("batched", "engine=onnxruntime"), **variables):
    (folder / "mine.py").write_text(text)
    argv = [sys.executable, "-m", "harness", "run", "--scenario", str(folder / "mine.py"), "--target", *target,
            "--seconds", "1s", "--warmup", "0.2s", "--no-isolate", "--json", "--out", "out", *words]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=180, check=False)


def findings(done):
    (point,) = json.loads(done.stdout)["result"]["points"]
    return {each["kind"]: each for each in point["trials"][0]["findings"]}


@pytest.mark.parametrize(("text", "asked", "there"), [(RAISES, 8, 2), (STANDS, 8, 2), (SHAPE, 8, 2)])
def test_the_number_that_acted_is_the_number_that_is_reported(tmp_path, text, asked, there):
    done = run(tmp_path, text, "--concurrency", str(asked))
    assert done.returncode == 4, done.stderr
    assert findings(done)["missing_users"]["data"] == {"asked": asked, "there": there}


def test_exceptions_of_tasks_are_counted(tmp_path):
    done = run(tmp_path, CRASHES, "--concurrency", "2")
    shown = findings(done)["task_errors"]
    assert "KeyError (mine.py:" in shown["text"]
    assert shown["data"]["count"] > 0


def test_a_wait_time_that_would_have_no_effect_is_refused(tmp_path):
    done = run(tmp_path, WAITS)
    assert done.returncode == 2
    assert "--think-time 0.5s" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_environment_changes_nothing(tmp_path):
    (tmp_path / "locust.conf").write_text("run-time = 1s\ntags = smoke\n")
    (tmp_path / "pyproject.toml").write_text("[tool.locust]\nrun-time = '1s'\n")
    variables = {"LOCUST_TAGS": "smoke", "LOCUST_RUN_TIME": "1s", "SWEEPSPOT_SKEW": "5"}
    done = run(tmp_path, SHAPE.partition("class Shape")[0], "--concurrency", "2", **variables)
    assert done.returncode in (0, 4), done.stderr
    assert "load_died" not in findings(done)
    log = next((tmp_path / "out").glob("trials/*/load.log")).read_text()
    assert (
        "ignored, since the plan of the run does not record it: LOCUST_RUN_TIME, LOCUST_TAGS, SWEEPSPOT_SKEW, " in log
    )
    assert ", [tool.locust] of pyproject.toml\n" in log


def test_a_test_that_ends_before_all_users_are_there_says_so(tmp_path):
    (tmp_path / "mine.py").write_text(SHAPE.partition("class Shape")[0])
    argv = [sys.executable, "-m", "locust", "-f", "mine.py", "--headless", "-u", "20", "-r", "2", "-t", "2s"]
    done = subprocess.run(argv, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
                          text=True, timeout=180, check=False)  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "before all users were there, so nothing was measured" in done.stderr


LOGS_IN = """
from locust import task
from harness.users import LeanHttpUser

class U(LeanHttpUser):
    def on_start(self):
        self.token = self.client.post("/login", json={"user": "a"}).json()["token"]

    @task
    def go(self):
        self.client.post("/predict", json=[1, 2, 3], headers={"X-Token": self.token})
"""


class Shop(JsonHandler):
    """Knows two paths and no metadata."""

    asked: ClassVar[set] = set()

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        self.asked.add((self.command, self.path))
        self.rfile.read(int(self.headers.get("content-length", 0)))
        known = self.path == "/login" or self.headers["x-token"] == "t"
        self.answer(200 if known else 401, {"token": "t"} if self.path == "/login" else {"y": 1})


def test_users_with_requests_of_their_own_need_no_metadata(tmp_path):
    with served_by(Shop) as url:
        done = run(tmp_path, LOGS_IN, "--concurrency", "2", target=(url,))
    assert done.stdout.startswith("{"), done.stderr
    (trial,) = json.loads(done.stdout)["result"]["points"][0]["trials"]
    assert trial["counts"]["ok"] > 10
    assert trial["counts"]["error"] == 0
    assert Shop.asked == {("POST", "/login"), ("POST", "/predict")}
