"""The shipped recipes with the real servers, each installed into an environment of its own."""

import csv
import html
import json

import psutil
import pytest

from harness.judge.run_summary import evaluate
from harness.judge.trial_summary import TrialSummaries
from harness.record.run_dir import RunDir
from harness.record.server.statistics import read_statistics
from targets.external import shipped
from tests.examples.processes import harness

pytestmark = pytest.mark.timeout(600)
SWEPT = {
    "mosec": "batch_size=1,16",
    "fastapi": "thread_pool=1,8",
    "litserve": "batch_size=1,8",
    "mlserver": "batch_size=1,8",
    "pytriton": "batch_size=1,8",
}


LLAMA = "llamacpp"
NOT_HERE = {"ollama", "sglang", "tgi", "vllm"}  # servers that need a GPU, or a model from a hub
SPLIT = {"mosec": "mosec's metrics", "pytriton": "Triton's metrics"}


def assert_split_is_what_the_server_says(source, out):
    run = RunDir.open(out, "DIR")
    for point in evaluate(run.read(), TrialSummaries(run)).points:
        assert point.split.source == source
        assert 0 < point.split.compute_ms < point.response.mean_ms
    assert 1 < point.mean_batch <= 4  # the last of them batches
    # Four times a second, over 3.1 s.
    assert all(len(read_statistics(folder).readings) > 8 for folder in out.glob("trials/*/"))
    assert f"The server's parts are from {source}" in html.unescape((out / "report.html").read_text())


def test_every_recipe_is_swept_here_but_those_that_cannot_be_installed():
    assert {*SWEPT, LLAMA} | NOT_HERE == {spec.name for spec in shipped()}


@pytest.mark.parametrize("name", SWEPT)
def test_a_knob_of_a_real_server_is_swept_and_every_answer_is_right(name, tmp_path):
    installed = harness("prepare", name, limit_s=600)
    assert installed.returncode == 0, installed.stderr
    before = {process.pid for process in psutil.process_iter()}
    out = tmp_path / "run"
    seconds = 3 if name in SPLIT else 0.4  # many readings of a server's statistics: they are of most of the time then
    words = ("--concurrency", 4, "--seconds", seconds, "--warmup", "0.1s", "--repeats", 1, "--out", out)
    done = harness("sweep", SWEPT[name], "--target", name, *words)
    assert done.returncode in (0, 4), done.stderr
    with (out / "points.csv").open(newline="") as file:
        points = list(csv.DictReader(file))
    knob, _, values = SWEPT[name].partition("=")
    assert [point[knob] for point in points] == values.split(",")
    for point in points:
        assert int(point["ok"]) > 4
        assert {point[outcome] for outcome in ("wrong", "error", "timeout", "rejected")} == {"0"}
        assert float(point["cpu_target"]) > 0
    reports = [json.loads(path.read_text()) for path in out.glob("trials/*/load.json")]
    assert all(report["checked"] == report["ok"] for report in reports)
    if name in SPLIT:
        assert_split_is_what_the_server_says(SPLIT[name], out)
    left = [process for process in psutil.process_iter(["cmdline"]) if process.pid not in before]
    assert not [process for process in left if f"external/{name}" in " ".join(process.info["cmdline"] or ())]


def test_a_knob_of_a_real_language_model_server_is_swept_over_streams(tmp_path):
    installed = harness("prepare", LLAMA, limit_s=600)
    assert installed.returncode == 0, installed.stderr
    out = tmp_path / "run"
    chat = ("--scenario", "scenarios/agent.py", "--output-tokens", 8, "--prompt-words", 6, "--turns", 1)
    quick = ("--concurrency", 2, "--seconds", 2, "--warmup", "0.5s", "--repeats", 1, "--out", out)
    done = harness("sweep", "parallel=1,2", "--target", LLAMA, *chat, *quick)
    assert done.returncode in (0, 4, 5), done.stderr
    with (out / "points.csv").open(newline="") as file:
        points = list(csv.DictReader(file))
    assert [point["parallel"] for point in points] == ["1", "2"]
    assert all(int(point["ok"]) > 0 and point["error"] == "0" for point in points)
