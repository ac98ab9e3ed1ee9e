"""Runs that are judged by the commands for CI, and how those end."""

import json
import subprocess
import sys

LOAD = ("fixed", "--check", "off", "--concurrency", "2", "--seconds", "0.5s", "--warmup", "0.1s")


def harness(*words):
    command = [sys.executable, "-m", "harness", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_a_default_limit_is_not_enforced_and_an_open_comparison_is_not_done(tmp_path):
    before, main, after = tmp_path / "before", tmp_path / "main.json", tmp_path / "after"
    # Responses take 60 ms, and the limit that nobody gave is p99 < 50 ms.
    measured = harness("run", "delay_ms=60", "--target", *LOAD, "--out", before)
    assert measured.returncode in (0, 4), measured.stderr
    assert harness("baseline", before, "--out", main).returncode == 0
    gate = harness("gate", "--baseline", main, "--out", after)
    assert gate.returncode in (0, 6, 8), gate.stderr
    assert "is missed" not in gate.stdout
    assert json.loads((after / "run.json").read_text())["gated"] is False
    # Two times may differ by 10 %, so that no change of 5 % can be excluded.
    compared = harness("compare", before, before)
    assert compared.returncode == 8, compared.stderr
    assert "INCONCLUSIVE: 1 inconclusive" in compared.stdout
