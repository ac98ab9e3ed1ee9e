"""A sweep as a user runs it: real target, real Locust, real files; ended in every way it can end."""

import csv
import json
import os
import signal
import socket

import psutil
import pytest

from harness.record.parquet.parquet_file import present
from tests.examples.processes import begin, gone, harness, wait_for

SHORT = ("--seconds", "0.4", "--warmup", "0.1s", "--repeats", "1", "--concurrency", "2,4", "--timeout", "2s")


def finished(run_dir):
    return sorted(path.parent.name for path in run_dir.glob("trials/*/trial.json"))


def rows_of(run_dir, trial):
    (path,) = present(run_dir / "trials" / trial, "requests")
    return path.read_bytes()


def descendants(process):
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def points(run_dir):
    with (run_dir / "points.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_leaves_all_that_the_run_directory_promises(tmp_path):
    out = tmp_path / "run"
    done = harness("sweep", "delay_ms=1,4", "--target", "fixed", *SHORT, "--out", out, "--json")
    assert done.returncode in (0, 4), done.stderr  # a busy machine may cost a point its validity, never the run
    result = json.loads(done.stdout)
    assert len(result["result"]["points"]) == 4
    names = ("run.json", "points.csv", "report.html", "summary.md", "junit.xml")
    assert all((out / name).stat().st_size for name in names)
    for row in points(out):
        # One user after the other waits out the known delay: nobody can be faster than the truth.
        assert float(row["p50_ms"]) >= float(row["delay_ms"])
        assert int(row["ok"]) > 0
        assert row["wrong"] == "0"


def test_a_killed_sweep_is_resumed_and_keeps_its_finished_trials(tmp_path):
    out = tmp_path / "run"
    words = ("sweep", "delay_ms=1,2,3", "--target", "fixed", *SHORT, "--out", out)
    process = begin(*words)
    wait_for(lambda: len(finished(out)) >= 2)
    children = descendants(process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: gone(children))
    kept = {name: rows_of(out, name) for name in finished(out)}

    done = harness("sweep", "--resume", out)
    assert done.returncode in (0, 4), done.stderr
    assert len(finished(out)) == 6
    assert all(rows_of(out, name) == rows for name, rows in kept.items())
    assert len(points(out)) == 6


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_sweep_reports_what_it_has_and_leaves_no_process(tmp_path, number):
    out = tmp_path / "run"
    process = begin("sweep", "delay_ms=1,2,3", "--target", "fixed", *SHORT, "--out", out)
    wait_for(lambda: len(finished(out)) >= 1)
    children = descendants(process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert f"--resume {out}" in said
    assert (out / "report.html").exists()
    wait_for(lambda: gone(children))


def test_a_target_that_dies_is_reported_and_started_again(tmp_path):
    out = tmp_path / "run"
    process = begin("sweep", "delay_ms=1,2", "--target", "fixed", *SHORT, "--out", out)
    target = wait_for(lambda: [c for c in descendants(process) if "targets" in c.cmdline()])[0]
    wait_for(lambda: len(finished(out)) >= 1)
    target.kill()
    _, said = process.communicate(timeout=100)
    assert process.returncode in (0, 4), said
    assert len(finished(out)) == 4
    records = [json.loads(path.read_text()) for path in sorted(out.glob("trials/*/trial.json"))]
    assert sum(record["finished"] for record in records) >= 3


def test_a_users_mistake_is_one_line_and_exit_code_2():  # others: tests/harness/cli/test_mistakes.py
    done = harness("sweep", "batchsize")
    assert done.returncode == 2, done.stderr
    assert "did you mean 'batch_size'" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_output_folder_in_use_is_refused(tmp_path):
    (tmp_path / "old").write_text("something of mine")
    done = harness("run", "--target", "null", "--out", tmp_path)
    assert done.returncode == 2
    assert "exists already" in done.stderr
    assert (tmp_path / "old").read_text() == "something of mine"


def test_a_port_in_use_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = harness("serve", "null", "--port", taken.getsockname()[1])
    assert done.returncode == 2
    assert "choose another port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missed_limit_is_exit_code_5_only_where_it_was_asked_for(tmp_path):
    words = ("run", "delay_ms=5", "--target", "fixed", "--concurrency", "2", "--seconds", "0.5", "--warmup", "0.1s")
    assert harness(*words, "--slo", "p50<1ms", "--out", tmp_path / "gated").returncode in (4, 5)
    done = harness(*words, "--out", tmp_path / "free")
    assert done.returncode in (0, 4), done.stderr


def test_a_dry_run_measures_nothing(tmp_path):
    done = harness("sweep", "batch_size", "--dry-run", "--out", tmp_path / "none")
    assert done.returncode == 0
    assert "batch_size" in done.stdout
    assert not (tmp_path / "none").exists()


def test_a_precision_ends_the_repeats_of_a_point_that_is_known_well_enough(tmp_path):
    words = ("run", "--target", "fixed", "delay_ms=2", "--concurrency", "4", "--seconds", "0.5", "--warmup", "0.1s")
    done = harness(*words, "--precision", "50%", "--max-seconds", "5s", "--out", tmp_path / "run", "--json")
    assert done.returncode in (0, 4), done.stderr
    result = json.loads(done.stdout)["result"]
    (point,) = result["points"]
    trials = point["trials"]
    left_out = sum(trial["verdict"] == "INVALID" for trial in trials)  # of a busy machine
    assert point["repeats"] >= 3
    assert len(trials) < 10 or left_out
    assert result["missing"] == []
    assert len(finished(tmp_path / "run")) == len(trials)
    assert len(points(tmp_path / "run")) == 1


def test_a_precision_that_cannot_be_reached_is_told(tmp_path):
    words = (
        "run",
        "--target",
        "fixed",
        "delay_ms=2",
        "service=exponential",
        "--concurrency",
        "2",
        "--seconds",
        "0.3",
        "--warmup",
        "0.1s",
    )
    done = harness(*words, "--precision", "0.1%", "--max-seconds", "1s", "--out", tmp_path / "run", "--json")
    (point,) = json.loads(done.stdout)["result"]["points"]
    assert len(point["trials"]) == 3
    assert "imprecise" in {finding["kind"] for finding in point["findings"]}
    for wrong in (("--max-seconds", "1s"), ("--precision", "5%", "--repeats", "3"), ("--precision", "5"),
                  ("--precision", "5%", "--max-seconds", "1s", "--seconds", "1s")):  # fmt: skip
        refused = harness("run", "--target", "fixed", *wrong, "--out", tmp_path / "none")
        assert refused.returncode == 2, refused.stderr
        assert wrong[0] in refused.stderr or "--max-seconds" in refused.stderr


@pytest.mark.parametrize(
    ("words", "scheduled"),
    [
        (("--arrivals", "users", "--stages", "500ms:0-4,500ms:4"), None),
        (("--arrivals", "stages", "--stages", "500ms:100,500ms:300"), None),
        (("--arrivals", "gamma", "--rate", "200", "--cv", "2", "--seconds", "1", "--warmup", "0.1s"), None),
        (("--arrivals", "replay", "--trace", "TRACE", "--speed", "2"), 40),
    ],
    ids=["users", "stages", "gamma", "replay"],
)
def test_a_run_with_arrivals_of_every_kind(tmp_path, words, scheduled):
    trace = tmp_path / "trace.csv"
    trace.write_text("seconds\n" + "".join(f"{10 + number / 20}\n" for number in range(40)))
    given = [str(trace) if word == "TRACE" else word for word in words]
    done = harness("run", "--target", "fixed", "delay_ms=2", *given, "--out", tmp_path / "run", "--json")
    (point,) = json.loads(done.stdout)["result"]["points"]
    counts = point["counts"]
    assert counts["ok"] == counts["sent"] == counts["scheduled"] > 0, done.stderr
    assert scheduled in (None, counts["scheduled"])
    # All of what was asked for is measured, without being told how long it is.
    assert point["seconds"] == pytest.approx(1.0, abs=0.1)


def test_a_budgeted_sweep_that_was_killed_goes_on_where_it_was(tmp_path):
    out = tmp_path / "run"
    words = ("sweep", "delay_ms=1,20", "--target", "fixed", "--concurrency", "2", "--warmup", "0.1s", "--budget", "30s")
    process = begin(*words, "--out", out)
    wait_for(lambda: len(finished(out)) >= 2)
    children = descendants(process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    wait_for(lambda: gone(children))
    kept = {name: rows_of(out, name) for name in finished(out)}

    done = harness("sweep", "--resume", out, "--json")
    assert done.returncode in (0, 4, 8), done.stderr  # on a busy machine it may not be possible to say
    plan = json.loads((out / "run.json").read_bytes())["plan"]
    assert [trial["number"] for trial in plan["trials"]] == list(range(len(finished(out))))
    assert {trial["kind"] for trial in plan["trials"]} <= {"explore", "confirm"}
    assert {trial["point"] for trial in plan["trials"][:2]} == {0, 1}
    assert all(rows_of(out, name) == rows for name, rows in kept.items())
    said = json.loads(done.stdout)["result"]["answer"]
    assert (said["more_seconds"] is not None) == (done.returncode == 8)
    assert said["best_point"] in (None, 0)  # 20 ms of delay cannot be the faster of two
