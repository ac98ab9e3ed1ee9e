"""Secrets planted in a sweep over TLS are nowhere in what it leaves, nor in any list of processes."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HARNESS = [sys.executable, "-m", "harness"]
SECRET = "pl4nted.s3cret-in.the.t0ken"


def run(*words, limit_s=120, **environment):
    done = subprocess.run(
        [*HARNESS, *map(str, words)], cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True,
        timeout=limit_s, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


class CommandLines(threading.Thread):
    """Reads everybody's, as anyone on the machine can."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen = set()
        self.done = threading.Event()

    def run(self):
        while not self.done.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(path.read_bytes())
                except OSError:
                    continue


@pytest.mark.parametrize("how", ["environment", "file"])
def test_a_planted_token_is_nowhere(tmp_path, how):
    token = tmp_path / "token"
    token.write_text(SECRET + "\n")
    token.chmod(0o600)
    given = {"SWEEPSPOT_TOKEN": SECRET} if how == "environment" else {}
    words = ["--token-file", token] if how == "file" else []
    out = tmp_path / "run"
    lines = CommandLines()
    lines.start()
    code, output = run(
        "sweep", "tls=off,on", "--target", "null", "--concurrency", "2", "--seconds", "0.5s",
        "--warmup", "0.1s", "--repeats", "1", "--out", out, *words, **given,
    )  # fmt: skip
    lines.done.set()
    lines.join()
    assert code in (0, 4), output
    reports = [path.read_text() for path in out.glob("trials/*/load.json")]
    assert len(reports) == 2
    assert all('"error":0' in report and '"ok":0' not in report for report in reports)  # the token was shown, and right
    left = [path for path in out.rglob("*") if path.is_file()]
    assert {"report.html", "run.json", "points.csv", "load.log", "target.log"} <= {path.name for path in left}
    assert [path for path in left if SECRET.encode() in path.read_bytes()] == []
    assert SECRET not in output
    assert any(b"harness.measure.load.locust" in line for line in lines.seen)
    assert [line for line in lines.seen if SECRET.encode() in line] == []


def served(*words, **environment):
    """A server of ours in the foreground, and what it says of itself once it is ready."""
    server = subprocess.Popen(
        [*HARNESS, "serve", "null", "--port", "0", *map(str, words)], cwd=ROOT, env={**os.environ, **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said = ""
    deadline = time.monotonic() + 60
    while " at http" not in said and time.monotonic() < deadline:
        said = server.stdout.readline()
    return server, said.split(" at ")[1].split()[0], server.stdout.readline()


def test_a_wrong_token_is_said_before_the_load_and_counted_in_it(tmp_path):
    server, url, _ = served(SWEEPSPOT_TOKEN=SECRET)
    wrong = "an0ther.t0ken"
    try:
        code, said = run("run", "--target", url, "--out", tmp_path / "run", SWEEPSPOT_TOKEN=wrong)
        locust = subprocess.run(
            [sys.executable, "-m", "locust", "-f", "scenarios/predict.py", "--headless", "--only-summary",
             "-u", "1", "-r", "1", "--host", url, "--measure", "0.3s", "--trial-dir", str(tmp_path / "trial")],
            cwd=ROOT, env={**os.environ, "SWEEPSPOT_TOKEN": wrong}, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
    finally:
        server.terminate()
        server.wait()
    assert code == 2
    assert "HTTP 401" in said
    report = (tmp_path / "trial/load.json").read_text()
    assert '"HTTP 401: the bearer token is missing, wrong or expired"' in report
    assert '"ok":0' in report
    assert locust.returncode == 1
    for text in (said, report, locust.stdout, locust.stderr):
        assert wrong not in text
        assert SECRET not in text


def test_a_wrong_certificate_fails_closed(tmp_path):
    server, url, advice = served("tls=on")
    try:
        words = ("run", "--target", url, "--concurrency", "1", "--seconds", "0.3s", "--warmup", "0.1s", "--out")
        code, output = run(*words, tmp_path / "wrong")
        assert code == 2
        assert "CERTIFICATE_VERIFY_FAILED" in output
        assert "give the authority of its certificate" in output
        authority = advice.split("--cacert ")[1].split()[0]
        code, output = run(*words, tmp_path / "right", "--tls-ca", authority)
        assert code in (0, 4), output
        assert '"error":0' in next((tmp_path / "right").glob("trials/*/load.json")).read_text()
    finally:
        server.terminate()
        server.wait()
    assert not Path(authority).exists()
