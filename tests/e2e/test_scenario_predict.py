"""Real `locust` processes against real servers."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from harness.cli.parts.serving_run import ServingRun
from harness.record.recorder import read_rows
from harness.record.run_dir import RunDir
from harness.system.control_channel import ControlChannel
from tests.examples.processes import alive, wait_for

ROOT = Path(__file__).parents[2]
LOCUST = [sys.executable, "-m", "locust", "-f", str(ROOT / "scenarios/predict.py")]
HEADLESS = [*LOCUST, "--headless", "--only-summary"]


def environment():
    own = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "SWEEPSPOT_"))}
    return {**own, "SWEEPSPOT_PAIRING": "a secret that both share"}


def start(argv, folder, **more):
    return subprocess.Popen(
        argv, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more
    )


def run(argv, folder, limit_s=90):
    done = subprocess.run(
        argv, cwd=folder, env=environment(), capture_output=True, text=True, timeout=limit_s, check=False
    )
    return done.returncode, done.stdout + done.stderr


def load_reports(trial):
    return [json.loads(path.read_text()) for path in sorted(trial.glob("load*.json"))]


def rows_of(trial):
    return [read_rows(path) for path in sorted(trial.glob("requests*.arrow"))]


def assert_balanced(trial, processes=1):
    reports, tables = load_reports(trial), rows_of(trial)
    assert len(reports) == len(tables) == processes
    for report, rows in zip(reports, tables, strict=True):
        assert report["final"]
        outcomes = ("ok", "wrong", "error", "timeout", "rejected", "aborted")
        assert report["scheduled"] == report["sent"] + report["not_sent"]
        assert report["sent"] == sum(report[outcome] for outcome in outcomes)
        assert report["rows_written"] == rows.num_rows == report["scheduled"]
    return reports


def children(pid):
    found = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found + [grandchild for child in found for grandchild in children(child)]


def wait_for_rows(trial, processes=1):
    def begun():
        return sum(path.stat().st_size > 20_000 for path in trial.glob("requests*.arrow")) == processes

    wait_for(begun, "no rows came")


def locusts_total(output):
    return int(re.findall(r"Aggregated\s+(\d+)", output)[0])


def test_it_starts_a_target_measures_and_ends_by_itself(tmp_path):
    trial = tmp_path / "trial"
    code, output = run([*HEADLESS, "-u", "4", "-r", "4", "--target", "null", "--trial-dir", str(trial),
                        "--warmup", "200ms", "--measure", "1s"], tmp_path)  # fmt: skip
    assert code == 0, output
    (report,) = assert_balanced(trial)
    assert report["stop_reason"] == "measured"
    assert report["measure_end_ns"] - report["measure_start_ns"] == 1_000_000_000
    assert report["ok"] == report["checked"] == report["sent"] > 100
    assert report["health"]["cpu_ns"] > 0
    assert locusts_total(output) == report["sent"]
    assert f"rows: {trial}" in output


def test_without_a_folder_the_rows_go_to_results(tmp_path):
    code, output = run([*HEADLESS, "-u", "2", "-r", "2", "--target", "null", "-t", "2s"], tmp_path)
    assert code == 0, output
    (trial,) = tmp_path.glob("results/*-locust/trials/000-users=2-r0")
    assert str(trial) in output
    run_dir = trial.parents[1]
    record, shown = RunDir.open(run_dir, "DIR").read(), ServingRun.open(run_dir, "DIR").report().result
    (point,) = shown.points
    (report,) = (json.loads(path.read_text()) for path in trial.glob("load.json"))
    assert report["stop_reason"] == "time"
    assert point.counts.ok == report["ok"] > 100
    assert record.plan.trials[0].seconds > 0
    assert record.command_line.endswith("-u 2 -r 2 --target null -t 2s")


def test_an_open_loop_sends_its_schedule(tmp_path):
    trial = tmp_path / "trial"
    code, output = run([*HEADLESS, "-u", "1", "-r", "1", "--target", "null", "--trial-dir", str(trial),
                        "--arrivals", "constant", "--rate", "200", "--measure", "2s"], tmp_path)  # fmt: skip
    assert code == 0, output
    (report,) = assert_balanced(trial)
    assert report["scheduled"] == report["ok"] == 400
    dues = sorted(rows_of(trial)[0].column("due_ns").to_pylist())
    assert {b - a for a, b in pairwise(dues)} == {5_000_000}


def test_two_processes_lose_nothing_on_the_way_to_the_master(tmp_path):
    trial = tmp_path / "trial"
    code, output = run([*HEADLESS, "-u", "6", "-r", "6", "--target", "fixed", "--knob", "delay_ms=300",
                        "--trial-dir", str(trial), "--measure", "2s", "--processes", "2"], tmp_path)  # fmt: skip
    assert code == 0, output
    reports = assert_balanced(trial, processes=2)
    assert [report["worker"] for report in reports] == [0, 1]
    assert locusts_total(output) == sum(report["sent"] for report in reports)


def test_two_processes_share_an_open_loop(tmp_path):
    trial = tmp_path / "trial"
    arrivals = ["--arrivals", "constant", "--rate", "100", "--processes", "2"]
    where = ["--target", "null", "--trial-dir", str(trial)]
    code, output = run([*HEADLESS, "-u", "1", "-r", "1", *where, "--measure", "2s", *arrivals], tmp_path)
    assert code == 0, output
    reports = assert_balanced(trial, processes=2)
    assert sum(report["scheduled"] for report in reports) == 200


def test_workers_that_share_no_disk_with_the_master_send_it_their_rows(tmp_path):
    trial, abroad = tmp_path / "trial", tmp_path / "abroad"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    master = start([*HEADLESS, "-u", "1", "-r", "1", "--target", "null", "--trial-dir", str(trial), "--master",
                    "--expect-workers", "2", "--master-bind-port", port, "--arrivals", "constant", "--rate", "400",
                    "--measure", "3s"], tmp_path)  # fmt: skip
    # Told to keep to folders of their own, they act as on other machines: payloads come from the master, rows go to it.
    words = {**environment(), "SWEEPSPOT_WORKER_DIR": str(abroad)}
    workers = [
        subprocess.Popen(
            [*LOCUST, "--worker", "--master-port", port], cwd=tmp_path, env=words, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    output, _ = master.communicate(timeout=90)
    said = [worker.communicate(timeout=30)[0] for worker in workers]
    assert master.returncode == 0, output + "".join(said)
    reports = assert_balanced(trial, processes=2)
    assert sum(report["ok"] for report in reports) == sum(report["checked"] for report in reports) == 1200
    # Both began at the instant that the master named, so that their stripes make up the schedule.
    assert reports[0]["measure_start_ns"] == reports[1]["measure_start_ns"]
    dues = sorted(due for table in rows_of(trial) for due in table.column("due_ns").to_pylist())
    assert {b - a for a, b in pairwise(dues)} == {2_500_000}
    assert list(abroad.iterdir()) == []
    assert sorted(path.name for path in trial.iterdir()) == [
        "load-0.json", "load-1.json", "requests-0.arrow", "requests-1.arrow"
    ]  # fmt: skip


@pytest.mark.parametrize(("number", "processes"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_the_server_logged_as_many_requests_as_there_are_rows(tmp_path, number, processes):
    trial, log = tmp_path / "trial", tmp_path / "truth.csv"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    more = ["--processes", "2", "--master-bind-port", port, "--master-port", port] if processes == 2 else []
    process = start([*HEADLESS, "-u", "6", "-r", "6", "--target", "fixed", "--knob", "delay_ms=3", "--knob",
                     f"log_path={log}", "--trial-dir", str(trial), *more], tmp_path)  # fmt: skip
    wait_for_rows(trial, processes)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert_balanced(trial, processes)
    logged = len(log.read_text().splitlines()) - 1
    assert sum(table.num_rows for table in rows_of(trial)) == logged > 100, output


def test_late_answers_reach_the_master_when_time_is_over(tmp_path):
    trial = tmp_path / "trial"
    code, output = run([*HEADLESS, "-u", "4", "-r", "4", "--target", "fixed", "--knob", "delay_ms=1700",
                        "--trial-dir", str(trial), "-t", "4s", "--processes", "2"], tmp_path)  # fmt: skip
    assert code == 0, output
    reports = assert_balanced(trial, processes=2)
    assert sum(report["aborted"] for report in reports) == 0
    assert locusts_total(output) == sum(report["ok"] for report in reports) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_still_gives_all_rows_and_leaves_no_process(tmp_path, number, processes):
    trial = tmp_path / "trial"
    many = ["--processes", "2"] if processes == 2 else []
    locust = start([*HEADLESS, "-u", "4", "-r", "4", "--target", "null", "--trial-dir", str(trial), *many], tmp_path)
    wait_for_rows(trial, processes)
    family = children(locust.pid)
    locust.send_signal(number)
    output, _ = locust.communicate(timeout=30)
    assert "Traceback" not in output
    reports = assert_balanced(trial, processes=processes)
    assert {report["stop_reason"] for report in reports} == {number.name}
    assert locusts_total(output) == sum(report["sent"] for report in reports)
    wait_for(lambda: not any(map(alive, family)), "a process was left behind", 10)


def test_kill_9_keeps_the_rows_and_leaves_no_target(tmp_path):
    trial = tmp_path / "trial"
    locust = start([*HEADLESS, "-u", "4", "-r", "4", "--target", "null", "--trial-dir", str(trial)], tmp_path)
    wait_for_rows(trial)
    wait_for((trial / "load.json").exists, "no snapshot came")
    family = children(locust.pid)
    locust.kill()
    locust.communicate()
    (report,) = load_reports(trial)
    assert not report["final"]
    assert rows_of(trial)[0].num_rows > 0
    wait_for(lambda: not any(map(alive, family)), "the target was left behind", 10)


@pytest.mark.parametrize("how", ["told", "parent gone"])
def test_the_lifeline_ends_the_run_in_order(tmp_path, how):
    trial = tmp_path / "trial"
    control, inherited = ControlChannel.pair()
    with inherited:
        locust = start([*HEADLESS, "-u", "4", "-r", "4", "--target", "null", "--trial-dir", str(trial),
                        "--control-fd", str(inherited.fileno())], tmp_path, pass_fds=(inherited.fileno(),))  # fmt: skip
    wait_for_rows(trial)
    control.send({"stop": True}) if how == "told" else control.close()
    output, _ = locust.communicate(timeout=30)
    assert locust.returncode == 0, output
    (report,) = assert_balanced(trial)
    assert report["stop_reason"] == (
        "stopped by the parent process" if how == "told" else "the parent process has ended"
    )


def test_failures_give_locusts_exit_code(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        bank = tmp_path / "bank.npz"
        make_small_bank(bank)
        code, output = run([*HEADLESS, "-u", "2", "-r", "2", "--host", url, "--bank", str(bank), "--protocol", "v2",
                            "--timeout", "300ms", "--measure", "1s", "--trial-dir", "trial"], tmp_path)  # fmt: skip
    assert code == 1
    (report,) = assert_balanced(tmp_path / "trial")
    assert report["timeout"] == report["sent"] > 0
    assert "no whole response within 0.3 s" in output


def make_small_bank(path):
    import numpy as np

    from harness.wire.payload_bank import Bank, BankMeta

    meta = BankMeta(model="m", input_shape=(2,), output_shape=(1,))
    Bank(meta, np.ones((3, 2), np.float32), np.zeros(0, np.int64), np.ones((3, 1), np.float32)).save(path)


@pytest.mark.parametrize(  # others: tests/harness/plan/test_load_settings.py
    ("words", "why"),
    [
        (["--target", "nul"], "null"),
        (["--timeout", "soon"], "--timeout soon"),
        (["--measure", "0s"], "--measure"),
        (["--target", "null", "--knob", "speed=1"], "speed"),
        (["--target", "null", "--host", "http://127.0.0.1:1"], "--target null"),
        (["--host", "http://127.0.0.1:1", "--check", "off"], "no response"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path, words, why):
    code, output = run([*HEADLESS, "-u", "1", "-r", "1", *words], tmp_path)
    assert code == 2, output
    assert why in next(line for line in output.splitlines() if line.startswith("error: "))
    assert "Traceback" not in output


def test_the_page_is_on_this_machine_only_and_shows_the_numbers(tmp_path):
    import urllib.request

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    locust = start(
        [*LOCUST, "--target", "null", "--web-port", str(port), "--trial-dir", str(tmp_path / "trial")], tmp_path
    )

    def get(path, data=None):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", data=data, timeout=15) as answer:
            return answer.read()

    def up():
        try:
            return get("/")
        except OSError:
            return None

    wait_for(up, "the page did not come up")
    listening = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    bound = [line.split()[1] for line in listening.splitlines() if f":{port:04X} " in line and line.split()[3] == "0A"]
    assert bound == [f"0100007F:{port:04X}"]
    assert json.loads(get("/swarm", b"user_count=4&spawn_rate=4"))["success"]
    wait_for_rows(tmp_path / "trial")
    shown = wait_for(lambda: json.loads(get("/stats/requests"))["stats"][-1]["num_requests"] or None, "no numbers")
    assert shown > 0
    get("/stop", b"")
    (report,) = wait_for(lambda: [r for r in load_reports(tmp_path / "trial") if r["final"]], "no final report")
    assert report["stop_reason"] == "stopped"
    total = report["sent"]  # the page keeps its numbers for 2 s
    wait_for(lambda: json.loads(get("/stats/requests"))["stats"][-1]["num_requests"] == total, "numbers differ", 5)
    locust.send_signal(signal.SIGTERM)
    locust.communicate(timeout=30)
    assert_balanced(tmp_path / "trial")


def test_csv_and_listeners_of_the_request_event_see_every_request(tmp_path):
    scenario = tmp_path / "mine.py"
    scenario.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from locust import events\n"
        "from harness.users import InferenceUser\n"
        "class Mine(InferenceUser):\n    pass\n"
        "seen = []\n"
        "@events.request.add_listener\n"
        "def on_request(response_time, exception, **_):\n    seen.append((response_time, exception))\n"
        "@events.quit.add_listener\n"
        "def on_quit(**_):\n"
        "    print('SEEN', len(seen), all(time > 0 and error is None for time, error in seen))\n"
    )
    argv = [sys.executable, "-m", "locust", "-f", str(scenario), "--headless", "--only-summary", "-u", "2", "-r", "2"]
    code, output = run([*argv, "--target", "fixed", "--measure", "1s", "--trial-dir", str(tmp_path / "trial"),
                        "--csv", str(tmp_path / "out"), "--html", str(tmp_path / "out.html")], tmp_path)  # fmt: skip
    assert code == 0, output
    (report,) = assert_balanced(tmp_path / "trial")
    assert f"SEEN {report['sent']} True" in output
    total = (tmp_path / "out_stats.csv").read_text().splitlines()[-1].split(",")
    assert int(total[2]) == report["sent"]
    (rows,) = rows_of(tmp_path / "trial")
    taken_ms = [
        (done - due) / 1e6
        for done, due in zip(*(rows.column(x).to_pylist() for x in ("done_ns", "due_ns")), strict=True)
    ]
    assert float(total[4]) == pytest.approx(median(taken_ms), rel=0.1)
    assert (tmp_path / "out.html").stat().st_size > 1000


def test_a_full_disk_ends_the_run_and_is_reported(tmp_path):
    trial = tmp_path / "trial"
    limited = ["bash", "-c", 'ulimit -f 200; trap "" XFSZ; exec "$@"', "bash"]
    code, output = run([*limited, *HEADLESS, "-u", "4", "-r", "4", "--target", "null", "--trial-dir", str(trial),
                        "--measure", "20s"], tmp_path)  # fmt: skip
    (report,) = load_reports(trial)
    assert report["final"]
    assert "File too large" in report["recorder_error"]
    assert report["stop_reason"] == "the recorder failed"
    assert report["rows_written"] < report["scheduled"]
    assert "rows are incomplete" in output
    assert code == 3
