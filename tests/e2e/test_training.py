"""Training as a user runs it: a real trainer, real files; killed in the middle and gone on with."""

import csv
import json
import os
import re
import signal

import psutil
import pytest

from harness.training.epochs import read_epochs
from tests.examples.processes import begin, gone, harness, wait_for


def fits(run_dir):
    return sorted(run_dir.glob("trials/*/epochs.arrow"))


def test_training_prints_loss_and_accuracy_and_leaves_its_report(tmp_path):
    out = tmp_path / "run"
    done = harness("train", "epochs=6", "--out", out)
    assert done.returncode == 0, done.stderr
    loss, accuracy = re.search(r"test loss ([\d.]+), test accuracy ([\d.]+) %", done.stdout).groups()
    (fit,) = out.glob("trials/*/fit.json")
    card = json.loads(fit.read_bytes())["model"]
    assert float(accuracy) == pytest.approx(100 * card["test_accuracy"], abs=0.05)
    assert float(loss) == pytest.approx(card["test_loss"], rel=0.01)
    assert [row.epoch for row in read_epochs(fit.with_name("epochs.arrow"))] == [1, 2, 3, 4, 5, 6]
    assert "epoch 6/6" in done.stderr
    for name in ("points.csv", "report.html", "summary.md", "junit.xml"):
        assert (out / name).stat().st_size

    before = (out / "report.html").read_bytes()
    assert harness("report", out).returncode == 0
    assert (out / "report.html").read_bytes() == before


def test_a_killed_sweep_keeps_its_epochs_and_is_gone_on_with(tmp_path):
    out = tmp_path / "run"
    process = begin("sweep", "learning_rate=0.001,0.01", "epochs=30", "--seeds", "1", "--out", out)
    wait_for(lambda: len(fits(out)) == 2 and len(read_epochs(fits(out)[1])) >= 2)
    children = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: gone(children))
    first, second = fits(out)
    kept = first.read_bytes()
    assert 2 <= len(read_epochs(second)) < 30

    done = harness("sweep", "--resume", out)
    assert done.returncode == 0, done.stderr
    assert first.read_bytes() == kept
    assert len(read_epochs(second)) == 30
    assert len(list(out.glob("trials/*.unfinished-1"))) == 1
    with (out / "points.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["learning_rate"] for row in rows] == ["0.001", "0.01"]
    assert all(float(row["test_accuracy"]) > 0.9 for row in rows)


def test_an_interrupted_training_reports_what_it_has(tmp_path):
    out = tmp_path / "run"
    process = begin("train", "epochs=2000", "--out", out)
    wait_for(lambda: fits(out) and len(read_epochs(fits(out)[0])) >= 2)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert f"--resume {out}" in said
    assert "epochs missing" in (out / "report.html").read_text()
