"""`harness locust` as a user has it: its page, its tables, its end."""

import csv
import json
import os
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import psutil
import pytest
from http_service import JsonHandler, served_by

from harness.wire.server_url import free_ports

ROOT = Path(__file__).parents[2]
GETS = """
from locust import HttpUser, constant, task

class Mine(HttpUser):
    wait_time = constant(0.02)

    @task
    def ask(self):
        self.client.get("/answer")
"""
TWO_PATHS = """
from locust import task
from harness.users import LeanHttpUser

class Mine(LeanHttpUser):
    @task
    def both(self):
        self.client.get("/answer")
        self.client.get("/gone")
"""


class Service(JsonHandler):
    def do_GET(self):
        self.answer(404 if self.path == "/gone" else 200, {"label": "cat"})


@pytest.fixture
def locust(tmp_path):
    """Starts `harness locust` with a locustfile of this text; what still runs in the end is killed."""
    started = []

    def start(text, *words):
        (tmp_path / "mine.py").write_text(text)
        argv = [sys.executable, "-m", "harness", "locust", "-f", "mine.py", "--out", "run", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        out = (tmp_path / "said").open("w")
        started.append(subprocess.Popen(argv, cwd=tmp_path, env=environment, stdout=out, stderr=out))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


class Page:
    """Locust's page."""

    def __init__(self):
        self.port = free_ports(1)[0]
        self._url = f"http://127.0.0.1:{self.port}"

    def ask(self, path, form=None):
        body = None if form is None else urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(self._url + path, body, timeout=10) as response:
            return json.loads(response.read())

    def wait_for(self, state):
        """Until a test is `running`, `ready` for the first, or `stopped`."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                if self.ask("/stats/requests")["state"] == state:
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(state)

    def measure(self, host, *users):
        """One test of so many users; of further numbers, to which it is edited."""
        for count in users:
            self.ask("/swarm", {"user_count": count, "spawn_rate": 100, "host": host})
            self.wait_for("running")
            time.sleep(0.7)
        self.ask("/stop", {})
        self.wait_for("stopped")


def test_tests_of_another_server_are_another_run_and_added_users_are_told(tmp_path, locust):
    page = Page()
    process = locust(GETS, "--web-port", str(page.port))
    with served_by(Service) as a, served_by(Service) as b:
        page.wait_for("ready")
        page.measure(a, 2)
        page.measure(a, 3)
        page.measure(a, 2)
        page.measure(b, 2)
        page.measure(b, 4, 6)
        process.terminate()
        process.wait(60)
    plans = [json.loads((tmp_path / name / "run.json").read_text())["plan"] for name in ("run", "run-2")]
    assert not (tmp_path / "run-3").exists()
    assert [plan["target"] for plan in plans] == [a, b]
    assert [[point["arrivals"]["users"] for point in plan["points"]] for plan in plans] == [[2, 3], [2, 4]]
    trials = [[(trial["point"], trial.get("repeat", 0)) for trial in plan["trials"]] for plan in plans]
    assert trials == [[(0, 0), (1, 0), (0, 1)], [(0, 0), (1, 0)]]
    reports = [json.loads(path.read_text()) for path in sorted((tmp_path / "run-2" / "trials").glob("*/load.json"))]
    assert [(report["users_lowest"], report["users_highest"]) for report in reports] == [(2, 2), (4, 6)]
    assert "Users were added" in (tmp_path / "run-2" / "report.html").read_text()
    said = (tmp_path / "said").read_text()
    assert ["report: run/report.html" in said, "report: run-2/report.html" in said] == [True, True], said


def test_a_failure_is_that_of_the_request_that_failed(tmp_path, locust):
    with served_by(Service) as url:
        locust(TWO_PATHS, "--headless", "-u", "1", "-t", "1s", "--host", url, "--csv", "table").wait(60)
    with (tmp_path / "table_failures.csv").open() as file:
        (failure,) = csv.DictReader(file)
    with (tmp_path / "table_stats.csv").open() as file:
        (gone,) = (line for line in csv.DictReader(file) if line["Name"] == "/gone")
    assert (failure["Name"], failure["Occurrences"]) == ("/gone", gone["Failure Count"])
    assert int(gone["Failure Count"]) > 0


def test_locust_ends_with_a_harness_that_was_killed(locust):
    with served_by(Service) as url:
        process = locust(GETS, "--headless", "-u", "1", "-t", "100s", "--host", url)
        deadline = time.monotonic() + 60
        while not (loads := psutil.Process(process.pid).children()) and time.monotonic() < deadline:
            time.sleep(0.1)
        load = next(each for each in loads if "harness.measure.load.locust.plain" in each.cmdline())
        time.sleep(1)
        process.kill()
        _, left = psutil.wait_procs([load], timeout=40)
    assert not left


def test_workers_that_a_configuration_file_asks_for_need_no_secret(tmp_path, locust):
    (tmp_path / "locust.conf").write_text("processes = 2\n")
    with served_by(Service) as url:
        assert locust(GETS, "--headless", "-u", "2", "-t", "1s", "--host", url).wait(90) != 2
    assert json.loads((tmp_path / "run" / "run.json").read_text())["plan"]["load_processes"] == 2
