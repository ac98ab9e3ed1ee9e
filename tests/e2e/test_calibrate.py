"""A calibration as a user runs it: servers whose truth is known, the real load process, other generators beside."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXERCISES = ("hang-open", "lying-closed", "null")


def calibrate(out, *words):
    argv = [sys.executable, "-m", "harness", "calibrate", "--quick", "--out", str(out), *words]
    environment = {**os.environ, "XDG_CACHE_HOME": str(out.parent / "cache")}
    return subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=170, check=False)


def test_a_hang_and_a_liar_are_seen_and_the_envelope_is_kept_for_later_runs(tmp_path):
    only = [word for name in EXERCISES for word in ("--only", name)]
    done = calibrate(tmp_path / "out", *only, "--beside", "locust", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    said = {(claim["exercise"], claim["generator"], claim["figure"]): claim for claim in found["claims"]}
    # The server hangs after 1.5 of 3.5 s; warm-up of 0.5 s, requests are given up after 1 s.
    hang = said["hang-open", "sweepspot", "failed_share"]
    assert 0.5 < hang["true"] < 0.75
    assert abs(hang["said"] - hang["true"]) <= 0.02
    assert said["hang-open", "sweepspot", "rows"]["said"] == said["hang-open", "sweepspot", "rows"]["true"] == 700
    assert said["lying-closed", "sweepspot", "wrong_share"]["said"] == 1.0
    verdicts = {exercise["name"]: (exercise["verdict"], exercise["reasons"]) for exercise in found["exercises"]}
    assert verdicts["hang-open"][0] == verdicts["lying-closed"][0] == "INVALID"
    assert "errors" in verdicts["hang-open"][1]
    assert "wrong_answers" in verdicts["lying-closed"][1]
    # Plain Locust, in the hang: far fewer failures than there were, since users who wait send nothing.
    # On a busy machine its own time may be over before it begins, which is told.
    theirs = said.get(("hang-open", "locust", "failed_share"))
    assert (
        theirs["said"] < hang["true"] / 2
        if theirs
        else any("hang-open, locust" in text for text in found["complaints"])
    )
    untold = said.get(("lying-closed", "locust", "wrong_share"))
    assert untold is None or untold["said"] is None
    assert found["envelope"]["greatest_rps"] > 100
    (kept,) = (tmp_path / "cache").rglob("*.json")
    assert json.loads(kept.read_text()) == found["envelope"]
    assert (tmp_path / "out" / "calibration.md").stat().st_size

    # A later run on the same machine knows it: at the rate of the envelope itself, the generator is what is measured.
    argv = [sys.executable, "-m", "harness", "run", "--target", "null", "--concurrency", "64", "--seconds", "0.5s"]
    argv += ["--out", str(tmp_path / "run"), "--json"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    run = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=110, check=False)
    (point,) = json.loads(run.stdout)["result"]["points"]
    assert (tmp_path / "run" / "envelope.json").is_file()
    rate_share = point["throughput_rps"]["value"] / found["envelope"]["greatest_rps"]
    assert ("envelope" in {finding["kind"] for finding in point["findings"]}) == (rate_share > 0.5)


def test_an_unknown_exercise_is_told_before_anything_is_made(tmp_path):
    done = calibrate(tmp_path / "out", "--only", "hang")
    assert done.returncode == 2
    assert "hang-open" in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_interrupted_calibration_keeps_what_it_had(tmp_path):
    out = tmp_path / "out"
    argv = [sys.executable, "-m", "harness", "calibrate", "--quick", "--out", str(out), "--json"]
    argv += ["--only", "lying-closed", "--only", "hang-open"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if "hang-open: " in line:  # the first of the two is done
            break
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    found = json.loads((out / "calibration.json").read_text())
    assert found["interrupted"]
    assert {claim["exercise"] for claim in found["claims"]} == {"hang-open"}
    assert json.loads(output) == found
