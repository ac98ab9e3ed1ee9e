"""Faults put into the generator itself: each must turn the verdict, which is how it is known to work."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.record.recorder import read_rows

ROOT = Path(__file__).parents[2]
BUSY = "tests/e2e/faults/busy.py"
INVALID = 4


def begin(out, *words, **environment):
    argv = [sys.executable, "-m", "harness", "run", "--target", "fixed", "--out", str(out), "--json", *map(str, words)]
    return subprocess.Popen(
        argv, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def ended(process, limit_s=60):
    """Exit code, the only point, and its findings' verdicts by kind."""
    output, complaint = process.communicate(timeout=limit_s)
    assert output, complaint
    (point,) = json.loads(output)["result"]["points"]
    return process.returncode, point, {finding["kind"]: finding["verdict"] for finding in point["findings"]}


def rows_in(out):
    return sum(read_rows(path).num_rows for path in out.glob("trials/*/requests*.*"))


def test_work_in_the_generator_turns_the_verdict(tmp_path):
    # 3 ms for each of 400 requests/s is 120 % of a core: it cannot keep up.
    words = ("delay_ms=5", "--arrivals", "poisson", "--rate", "400", "--seconds", "3s", "--scenario", BUSY)
    code, point, found = ended(begin(tmp_path / "run", *words, FAULT_MS="3"))
    assert code == INVALID
    assert point["verdict"] == "INVALID"
    # Where others keep the machine so busy that nothing can be said, that is said first.
    assert found.get("lateness", found.get("harmed")) == "INVALID"
    # On a machine that others keep busy it may not even get the time to be busy itself.
    assert found.get("generator_cpu") in (None, "DEGRADED", "INVALID")


def test_little_work_in_the_generator_does_not(tmp_path):
    words = ("delay_ms=5", "--arrivals", "poisson", "--rate", "200", "--seconds", "2s", "--scenario", BUSY)
    _, _, found = ended(begin(tmp_path / "run", *words, FAULT_MS="0.3"))
    assert "generator_cpu" not in found
    assert "rate" not in found


def test_a_block_of_200_ms_is_in_the_response_time_and_not_in_the_service_time(tmp_path):
    words = ("delay_ms=5", "--arrivals", "constant", "--rate", "400", "--seconds", "2s", "--scenario", BUSY)
    code, point, found = ended(begin(tmp_path / "run", *words, FAULT_MS="200", FAULT_ONCE="500"))
    assert {"lateness", "loop_lag", "harmed"} & set(found)  # named; VALID where it is left out of the figures
    (path,) = (tmp_path / "run").glob("trials/*/requests.parquet")
    rows = read_rows(path).to_pydict()
    response_ms, service_ms = (
        [(done - start) / 1e6 for done, start in zip(rows["done_ns"], rows[since], strict=True)]
        for since in ("due_ns", "sent_ns")
    )
    # All rows are there, even where the point leaves the blocked stretch out of its figures.
    assert max(response_ms) >= 200
    # 80 of 800 requests were due during it; two were open. Whatever else the machine did is in both.
    assert sum(ms > 50 for ms in response_ms) - sum(ms > 50 for ms in service_ms) >= 40
    assert code in (0, INVALID)
    assert point["counts"]["not_sent"] == 0


@pytest.mark.parametrize(("cap", "enough"), [(20, False), (100, True)])
def test_a_cap_on_open_requests_is_counted_and_turns_the_verdict(tmp_path, cap, enough):
    # 200 ms at 200/s are 40 open requests.
    words = ("delay_ms=200", "--arrivals", "constant", "--rate", "200", "--seconds", "2s", "--max-in-flight", cap)
    code, point, found = ended(begin(tmp_path / "run", *words))
    counts = point["counts"]
    assert counts["scheduled"] == counts["sent"] + counts["not_sent"] == 400
    if enough:
        assert counts["not_sent"] == 0
        assert "not_sent" not in found
    else:
        assert counts["not_sent"] > 100
        assert found["not_sent"] == "INVALID"
        assert code == INVALID


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_lost_worker_is_named_and_holds_nothing_up(tmp_path, number):
    out = tmp_path / "run"
    words = ("delay_ms=5", "--arrivals", "poisson", "--rate", "300", "--seconds", "4s", "--load-processes", "2")
    run = begin(out, *words)
    deadline = time.monotonic() + 40
    while not (reports := list(out.glob("trials/*/load-1.json"))) or rows_in(out) < 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(json.loads(reports[0].read_text())["pid"], number)
    lost_at = time.monotonic()
    code, point, found = ended(run)
    # The rest of the 4.5 s, some seconds of silence until it is missed, some of patience until it is killed.
    assert time.monotonic() - lost_at < 30
    assert code == INVALID
    assert found["lost_worker"] == "INVALID"
    text = next(finding["text"] for finding in point["findings"] if finding["kind"] == "lost_worker")
    assert "worker 1" in text
    counts = point["counts"]
    assert counts["scheduled"] == counts["sent"] + counts["not_sent"]
    outcomes = ("ok", "wrong", "error", "timeout", "rejected", "aborted", "unknown")
    assert counts["sent"] == sum(counts[outcome] for outcome in outcomes)
    assert (out / "report.html").is_file()
