"""Image, speech and text end to end: real data, real models, the accuracy that was promised, in every place."""

import csv
import http.client
import json
import subprocess
import sys

import pytest

from harness.measure.target.embedded_server import EmbeddedServer
from harness.plan.target_spec import find_target

REMEDIES = ("apt-get install", "pip download")


def harness(*words, timeout_s=240):
    argv = [sys.executable, "-m", "harness", *words]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout_s, check=False)


def has_data(model):
    """Whether the model's data are installed; where they are not, the command must say how to get them."""
    done = harness("prepare", model)
    if done.returncode == 0:
        assert "held-out accuracy" in done.stdout
        return True
    assert done.returncode == 2, done.stderr
    assert any(remedy in done.stderr for remedy in REMEDIES), done.stderr
    return False


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("model", "scenario", "more"),
    [
        ("digits-mlp", "predict", ()),
        ("text-small", "text", ("--seconds", "6s")),
        ("speech-small", "speech", ("--seconds", "8s", "--protocol", "http-binary")),
    ],
)
def test_served_accuracy_under_load_is_the_trainers(tmp_path, model, scenario, more):
    if not has_data(model):
        return
    words = ("--scenario", scenario, "--concurrency", "32", "--seconds", "3s", "--out", str(tmp_path / "run"))
    done = harness("run", *words, *more, "--json")
    assert done.returncode in (0, 4), done.stderr
    result = json.loads(done.stdout)["result"]
    (point,), card = result["points"], result["model"]
    assert point["counts"]["wrong"] == 0
    found = point["accuracy"]
    assert found["payloads"] == card["test_count"], "every held-out item was asked"
    assert abs(found["value"] - card["test_accuracy"]) <= 1 / card["test_count"]  # a tie may fall to the other side
    assert 0.7 < found["value"] < 1


@pytest.mark.timeout(400)
def test_every_place_of_preprocessing_gives_the_same_answers_and_its_own_times(tmp_path):
    if not has_data("text-small"):
        return
    places = "preprocess=client,server,graph"
    load = ("--concurrency", "8", "--seconds", "1s", "--warmup", "0.3s", "--repeats", "1")
    done = harness("sweep", places, "--scenario", "text", *load, "--out", str(tmp_path / "run"))
    assert done.returncode in (0, 4), done.stderr
    with (tmp_path / "run" / "points.csv").open() as file:
        rows = {row["preprocess"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"client", "server", "graph"}
    for place, row in rows.items():
        assert int(row["ok"]) > 100
        assert int(row["wrong"]) == 0
        assert bool(row["client_ms"]) is (place == "client")
        assert bool(row["clean_ms"]) is (place != "graph")
        assert row["model"] == "text-small"
    assert "Preprocessing, step by step" in (tmp_path / "run" / "report.html").read_text()


def ask(port, model, shape, datatype, data):
    tensor = {"name": "input", "shape": shape, "datatype": datatype, "data": data}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", f"/v2/models/{model}/infer", json.dumps({"inputs": [tensor]}))
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


@pytest.mark.timeout(400)
@pytest.mark.parametrize("place", ["batch", "graph"])
def test_texts_without_words_and_empty_ones_have_a_defined_answer(place):
    if not has_data("text-small"):
        return
    with EmbeddedServer(find_target("batched"), "text-small", {"preprocess": place}) as target:
        port = int(target.ready.url.rpartition(":")[2])
        status, answer = ask(port, "text-small", [1, 3], "UINT8", list(b"?!?"))
        assert status == 200
        assert sum(answer["outputs"][0]["data"]) == pytest.approx(1, abs=1e-4)
        status, answer = ask(port, "text-small", [1, 0], "UINT8", [])
        assert (status, "[k, 1..512]" in answer["error"]) == (400, True)
        status, answer = ask(port, "text-small", [1, 3], "FP32", [0.5, 1, 2])
        assert (status, "must be UINT8" in answer["error"]) == (400, True)


@pytest.mark.timeout(400)
def test_sounds_of_no_length_are_refused():
    if not has_data("speech-small"):
        return
    with EmbeddedServer(find_target("batched"), "speech-small", {"preprocess": "batch", "padding": "bucket"}) as target:
        port = int(target.ready.url.rpartition(":")[2])
        for samples in (0, 799):
            status, answer = ask(port, "speech-small", [1, samples], "INT16", [0] * samples)
            assert (status, "[k, 800..64120]" in answer["error"]) == (400, True)
        status, answer = ask(port, "speech-small", [2, 900], "INT16", [0] * 1800)
        assert status == 200
        assert len(answer["outputs"][0]["data"]) == 10
