"""Explanations beside predictions, and a mix of one's own: from the command line to the page."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*words, cwd=ROOT):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "SWEEPSPOT_"))}
    argv = [sys.executable, *map(str, words)]
    return subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, timeout=110, check=False)


def test_what_explanations_do_to_predictions(tmp_path):
    out = tmp_path / "run"
    quick = ("--concurrency", 4, "--seconds", 0.8, "--warmup", "0.1s", "--repeats", 1, "--out", out)
    done = run("-m", "harness", "sweep", "mix", "--scenario", "scenarios/explain.py", *quick)
    assert done.returncode in (0, 4), done.stderr
    with (out / "classes.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["mix"], line["class"]) for line in lines] == [
        ("predict", "predict"), ("predict:90+explain:10", "predict"), ("predict:90+explain:10", "explain"),
    ]  # fmt: skip
    assert all(int(line["ok"]) > 10 and int(line["failed"]) < 5 for line in lines)
    assert 0.05 < float(lines[2]["share"]) < 0.2
    reports = [json.loads(path.read_text()) for path in sorted(out.glob("trials/*/load.json"))]
    assert all(report["wrong"] == 0 and report["checked"] == report["ok"] for report in reports)
    page = (out / "report.html").read_text()
    assert "Request classes" in page
    assert ">explain<" in page


def test_a_mix_of_ones_own_runs_in_locust(tmp_path):
    words = ("--headless", "--only-summary", "-u", 4, "-r", 4, "--measure", "0.8s", "--mix", "interactive:4+bulk+why")
    done = run("-m", "locust", "-f", ROOT / "scenarios/mixed.py", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("interactive digits-mlp", "bulk digits-mlp", "why digits-mlp"):
        assert name in done.stdout + done.stderr
    (report,) = [json.loads(path.read_text()) for path in tmp_path.glob("results/*/trials/*/load.json")]
    assert report["request_classes"] == ["interactive", "bulk", "why"]
    assert report["class_slos"] == ["p99<20ms", "p99<500ms", "p99<1s"]
    assert report["ok"] == report["checked"] > 50


def test_a_mix_that_is_not_the_scenarios_is_refused_before_anything_starts():
    done = run("-m", "harness", "sweep", "mix=predict+explian", "--scenario", "scenarios/explain.py")
    assert done.returncode == 2
    assert "did you mean 'explain'?" in done.stderr
