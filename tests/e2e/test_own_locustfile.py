"""A locustfile as Locust's documentation writes it, measured as it is: no import of ours, no metadata, no payloads."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from http_service import JsonHandler, served_by

ROOT = Path(__file__).parents[2]
LOCUSTFILE = """
import time
from locust import FastHttpUser, HttpUser, LoadTestShape, User, constant, tag, task


class Shopper(HttpUser):
    wait_time = constant(0.01)
    fixed_count = 1

    def on_start(self):
        self.client.headers["X-Login"] = self.client.post("/login").json()["ticket"]

    @task
    def ask(self):
        with self.client.get("/answer", catch_response=True) as response:
            if response.json()["answer"] != 42:
                response.failure("not 42")

    @tag("slow")
    @task
    def never(self):
        self.client.get("/never")


class Quick(FastHttpUser):
    wait_time = constant(0.01)
    fixed_count = 1

    @task
    def gone(self):
        with self.client.get("/gone", catch_response=True) as response:
            if response.status_code == 404:
                response.success()


class Own(User):
    wait_time = constant(0.05)

    @task
    def ping(self):
        time.sleep(0.001)
        self.environment.events.request.fire(request_type="OWN", name="ping", response_time=1.0, response_length=0,
                                             exception=None, context={})


class Steps(LoadTestShape):
    def tick(self):
        return (3, 100) if self.get_run_time() < 4 else None
"""


class Service(JsonHandler):
    seen: dict = {}  # noqa: RUF012  (of the one test)

    def do_POST(self):
        self.answer(200, {"ticket": "t-1"})

    def do_GET(self):
        number = len(self.seen.setdefault(self.path, []))
        self.seen[self.path].append((self.headers["x-login"], self.headers["x-api-key"], self.headers["host"]))
        self.answer(404 if self.path == "/gone" else 200, {"answer": 42 if number % 5 else 7})


@pytest.fixture
def url():
    with served_by(Service) as url:
        yield url


def test_every_kind_of_user_is_measured_as_it_is(tmp_path, url):
    (tmp_path / "mine.py").write_text(LOCUSTFILE)
    more = ("--header", "X-Api-Key: sesame-key", "--header", "Host: models.example", "--locust", "--exclude-tags slow")
    argv = [sys.executable, "-m", "harness", "run", "--scenario", "mine.py", "--target", url, "--out", "out", *more]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LOCUST_TAGS": "none"}
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode in (0, 4, 5), done.stderr
    report = json.loads(next((tmp_path / "out/trials").glob("*/load.json")).read_text())
    assert set(report["request_classes"]) == {"/login", "/answer", "/gone", "ping"}
    assert "/never" not in Service.seen
    assert {login for login, _, _ in Service.seen["/answer"]} == {"t-1"}
    assert {key for rows in Service.seen.values() for _, key, _ in rows} == {"sesame-key"}
    assert {host for rows in Service.seen.values() for _, _, host in rows} == {"models.example"}
    assert report["errors"] == {"a wrong response: not 42": report["wrong"]}
    assert report["wrong"] > 0 == report["error"]
    assert report["ok"] > report["checked"] > report["wrong"]  # pings are not looked into
    rows = pq.read_table(next((tmp_path / "out/trials").glob("*/requests.parquet")))
    names = rows["request_class"].to_pylist()
    for path, seen in Service.seen.items():  # no user sends what has no row, also while the load ends
        assert names.count(path) == len(seen), path
    plan = json.loads((tmp_path / "out/run.json").read_text())["plan"]
    assert plan["points"][0]["arrivals"] == {"type": "shape", "shape_s": 4.0}
    assert plan["locust_arguments"] == ["--exclude-tags", "slow"]


NOT_REPORTED_BY_LOCUST = """
import time
import gevent
from locust import FastHttpUser, HttpUser, User, constant, task


class Here(User):
    abstract = True
    fixed_count = 1
    wait_time = constant(0.02)


class Timed(HttpUser, Here):
    @task
    def ask(self):
        with gevent.Timeout(0.1, False):
            self.client.get("/hang", name="timed")


class Quick(FastHttpUser, Here):
    network_timeout = 0.1

    @task
    def ask(self):
        self.client.get("/hang", name="quick")


class Asserts(HttpUser, Here):
    @task
    def ask(self):
        with self.client.get("/answer", catch_response=True) as response:
            assert response.json()["label"] == "cat"


class Own(Here):
    @task
    def call(self):
        start = time.perf_counter()
        time.sleep(0.01)
        self.environment.events.request.fire(request_type="grpc", name="infer", response_time=10.0, response_length=1,
                                             exception=None, context={}, start_time=start + 1e6)
"""


class Hangs(JsonHandler):
    def do_GET(self):
        if self.path == "/hang":
            time.sleep(0.5)
        with contextlib.suppress(OSError):
            self.answer(200, {"label": "dog"})


def test_requests_that_locust_does_not_report_are_counted(tmp_path):
    (tmp_path / "mine.py").write_text(NOT_REPORTED_BY_LOCUST)
    with served_by(Hangs) as url:
        argv = [sys.executable, "-m", "harness", "run", "--scenario", "mine.py", "--target", url, "--out", "out"]
        argv += ["--concurrency", "4", "--seconds", "1s", "--warmup", "0.1s"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
        )
    assert done.returncode == 4, done.stderr
    report = json.loads(next((tmp_path / "out/trials").glob("*/load.json")).read_text())
    assert set(report["request_classes"]) == {"timed", "quick", "/answer", "infer"}
    texts = report["errors"]
    assert {"timeout: Timeout", "timeout: RetriesExceeded", "a wrong response: the task raised AssertionError"} <= set(
        texts
    )
    assert report["timeout"] == texts["timeout: Timeout"] + texts["timeout: RetriesExceeded"]
    assert report["wrong"] == sum(report["task_errors"].values())
    assert report["ok"] > 0  # those of the client with a clock of its own


FAILURES_TAKEN_AS_GOOD = """
from locust import FastHttpUser, HttpUser, constant, task


class Mine(HttpUser):
    wait_time = constant(0.01)
    fixed_count = 1

    @task
    def ask(self):
        self.client.get("/busy", name="requests")


class Quick(FastHttpUser):
    wait_time = constant(0.01)
    fixed_count = 1

    @task
    def ask(self):
        self.client.get("/busy", name="geventhttpclient")

    @task
    def look(self):
        with self.client.get("/busy", catch_response=True, name="looked into") as response:
            response.success()

    @task
    def good(self):
        self.client.get("/answer")
"""


class Busy(JsonHandler):
    def do_GET(self):
        self.answer(200, {"label": "dog"} if self.path == "/answer" else {"code": 429, "msg": "qps limit exceeded"})


def test_failures_that_tasks_take_as_good_are_found(tmp_path):
    (tmp_path / "mine.py").write_text(FAILURES_TAKEN_AS_GOOD)
    with served_by(Busy) as url:
        argv = [sys.executable, "-m", "harness", "run", "--scenario", "mine.py", "--target", url, "--out", "out"]
        argv += ["--concurrency", "2", "--seconds", "1s", "--warmup", "0.1s", "--json"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False
        )
    report = json.loads(next((tmp_path / "out/trials").glob("*/load.json")).read_text())
    rows = pq.read_table(next((tmp_path / "out/trials").glob("*/requests.parquet"))).to_pylist()
    failed = [row for row in rows if row["request_class"] in {"requests", "geventhttpclient"}]
    assert {row["request_class"] for row in failed} == {"requests", "geventhttpclient"}
    assert report["unnoticed"] == {"qps limit exceeded": len(failed)}
    assert report["ok"] == len(rows)  # as Locust counts them
    (point,) = json.loads(done.stdout)["result"]["points"]
    found = {each["kind"]: each for each in point["findings"]}
    assert found["unnoticed_failures"]["verdict"] == "INVALID"
    assert "most often: qps limit exceeded." in found["unnoticed_failures"]["text"]
    assert done.returncode != 0
