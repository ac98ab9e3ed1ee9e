"""Does Sweepspot tell the truth? Against exact queueing theory, against a server's own log, and against itself.

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_truth.py [-k queues]

*queues*: `fixed` as a single server with drawn or constant service times, Poisson arrivals, against the exact M/M/1
and M/D/1 values, BENCH_QUEUE_SECONDS each. *sending*: lateness at 1 000 requests/s by the log of the
server. *rows*: every request of 20 runs ended in three ways is in both books. *same*: 40 pairs of identical runs,
compared as a report compares settings.
"""

import contextlib
import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import queueing

from harness.calibration.true_values import Driven, ServerLog, lateness_ns, true_values
from harness.judge.numbers.trial_rows import trial_rows
from harness.judge.point_summary import summarise_point
from harness.judge.significance import compare_rates
from harness.judge.trial_summary import summarise_trial
from harness.measure.target.embedded_server import EmbeddedServer
from harness.plan.arrivals import Poisson
from harness.plan.target_spec import find_target
from harness.record.recorder import read_rows
from harness.record.run_dir import RunDir

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
QUEUE_SECONDS = float(os.environ.get("BENCH_QUEUE_SECONDS", "90"))
SENDING_SECONDS = float(os.environ.get("BENCH_SENDING_SECONDS", "60"))
CORES = sorted(os.sched_getaffinity(0))
TOLERANCE = 0.02
# utilisation: service time in ms, so long that the way to the server and back, 0.2 ms, is a small part of the response
SERVICE_MS = {0.3: 40.0, 0.6: 8.0, 0.8: 4.0, 0.9: 2.0}
SERVICES = {"M/M/1": "exponential", "M/D/1": "constant"}


def keep(section, command, lines):
    """Replace one section of RESULTS.md."""
    path = HERE / "RESULTS.md"
    head = f"\n## {section}\n"
    where = f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {os.cpu_count()} cores, {platform.python_version()}"
    body = "\n".join([head, f"{where}; `{command}`", "", *lines, ""])
    text = re.sub(rf"{re.escape(head)}.*?(?=\n## |\Z)", "", path.read_text(), flags=re.DOTALL) + body
    path.write_text(text)
    print("\n".join(lines))


def command(name):
    return f"pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_truth.py -k {name}"


def harness(*words):
    return [sys.executable, "-m", "harness", *map(str, words)]


# --- queues


def queue_run(kind, rho, out):
    service_ms = SERVICE_MS[rho]
    rate = rho * 1000 / service_ms
    words = ("run", "--target", "fixed", f"delay_ms={service_ms}", f"service={SERVICES[kind]}", "servers=1", "seed=11")
    load = ("--arrivals", "poisson", "--rate", rate, "--seconds", QUEUE_SECONDS, "--warmup", "5s", "--timeout", "60s")
    argv = harness(*words, f"log_path={out}.csv", *load, "--out", out, "--json")
    return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def trials_of(folder):
    plan = folder.read().plan
    return [folder.trial_data(plan, trial) for trial in folder.begun(plan)]


def logged(out):
    """What truly happened, by the server's log and the schedule."""
    folder = RunDir.open(out, "DIR")
    plan = folder.read().plan
    (evidence,) = trials_of(folder)
    window = trial_rows(evidence).window
    driven = Driven(plan.points[0].arrivals, evidence.trial.seed, window.start_ns - round(5e9), window)
    return true_values(ServerLog.read(Path(f"{out}.csv")), driven)


def queue_figures(kind, rho, result):
    """Name, exact value, what the report says, and its interval."""
    (point,) = result["points"]
    service_ms = SERVICE_MS[rho]
    quantile = queueing.mm1_response_quantile if kind == "M/M/1" else queueing.md1_response_quantile
    rate = point["throughput_rps"]
    yield "throughput_rps", rho * 1000 / service_ms, rate["value"], rate["low"], rate["high"]
    for p, name in ((0.5, "p50_ms"), (0.99, "p99_ms")):
        found = next(each for each in point["response"]["quantiles"] if each["p"] == p)
        yield name, quantile(rho, p) * service_ms, found["value_ms"], found["low_ms"], found["high_ms"]


def queue_line(kind, rho, figure, true, count):
    """The line of the table, whether theory lies within 2 % of the interval, and the error against the log."""
    name, exact, said, low, high = figure
    head = f"| {kind} | {rho} | {count:,} | {name.partition('_')[0]} | {exact:.4g} | {true:.4g} |"
    if said is None:
        return f"{head} withheld | - | - | - |", True, 0.0
    within = low is not None and high is not None and low * (1 - TOLERANCE) <= exact <= high * (1 + TOLERANCE)
    span = f"{low:.4g} to {high:.4g}"
    word = "yes" if within else "NO"
    return f"{head} {said:.4g} | {said / true - 1:+.1%} | {span} | {word} |", within, said / true - 1


def test_queues(tmp_path):
    lines = [
        "| queue | load | requests | figure | exact | true here | said | error | 95 % interval | exact within |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    outside, errors = [], []
    for rho in SERVICE_MS:
        runs = {kind: queue_run(kind, rho, tmp_path / f"{kind[2]}{rho}") for kind in SERVICES}
        for kind, process in runs.items():
            output, _ = process.communicate(timeout=QUEUE_SECONDS + 120)
            result = json.loads(output)["result"]
            true = logged(tmp_path / f"{kind[2]}{rho}")
            for figure in queue_figures(kind, rho, result):
                count = result["points"][0]["counts"]["ok"]
                line, within, error = queue_line(kind, rho, figure, true[figure[0]], count)
                lines.append(line)
                outside += [] if within else [(kind, rho, figure[0])]
                errors.append(abs(error))
    how = (
        f"Two queues at a time, {QUEUE_SECONDS:g} s each; requests/s and ms. *exact*: queueing theory. *true here*: by "
        "the server's own log and the schedule, whatever the machine did to the server; *error*: of what we said "
        "against that."
    )
    keep("queues", command("queues"), [how, "", *lines])
    assert max(errors) < 0.05
    assert not outside


# --- lateness of sending


def test_sending(tmp_path):
    log, out = tmp_path / "truth.csv", tmp_path / "run"
    words = ("run", "--target", "fixed", "delay_ms=1", f"log_path={log}", "--arrivals", "poisson", "--rate", 1000)
    argv = harness(*words, "--seconds", SENDING_SECONDS, "--warmup", "1s", "--out", out, "--json")
    subprocess.run(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300, check=False)
    folder = RunDir.open(out, "DIR")
    (evidence,) = trials_of(folder)
    trial = trial_rows(evidence)
    driven = Driven(Poisson(rate_rps=1000.0), evidence.trial.seed, trial.window.start_ns - 10**9, trial.window)
    server = ServerLog.read(log)
    late_ms = lateness_ns(server, driven) / 1e6
    p50, p99 = np.quantile(late_ms, [0.5, 0.99], method="inverted_cdf")
    first, last = late_ms[1000:11_000].mean(), late_ms[-10_000:].mean()
    response_ms = (trial.response.ordered_ns / 1e6)[int(0.5 * len(trial.response.ordered_ns))]
    left_ms = trial.lateness.ordered_ns / 1e6
    own = np.quantile(left_ms, [0.5, 0.99], method="inverted_cdf")
    used = summarise_trial(evidence, None).metrics.usage
    others = sum(used.cpu_machine_percent) / 100 - used.cpu_target_cores - used.cpu_load_cores
    lines = [
        f"Poisson, 1 000 requests/s, {SENDING_SECONDS:g} s, one load process on one core",
        "",
        "| | p50 | p99 |",
        "|---|---|---|",
        f"| sent after due, by our rows | {own[0]:.3f} ms | {own[1]:.3f} ms |",
        f"| arrived after due, by the server's log | {p50:.3f} ms | {p99:.3f} ms |",
        "",
        (
            f"Rows: {evidence.rows.num_rows:,}; requests in the server's log: {len(server):,}. Mean lateness at the "
            f"server in the first 10 s {first:.3f} ms, in the last {last:.3f} ms. Response p50 {response_ms:.2f} ms at "
            f"1 ms service. Other work took {others:.1f} of {len(used.cpu_machine_percent)} cores meanwhile."
        ),
    ]
    keep("sending", command("sending"), lines)
    assert evidence.rows.num_rows == len(server)


# --- rows against the server's log


@contextlib.contextmanager
def logged_server(log):
    spec = find_target("fixed")
    setting = spec.knobs.complete({"delay_ms": 3.0, "log_path": str(log)})
    with EmbeddedServer(spec, "digits-mlp", setting) as target:
        yield target.ready


def ended_by(way, ready, trial, seconds, processes):
    argv = [sys.executable, "-m", "locust", "-f", "scenarios/predict.py", "--headless", "--only-summary"]
    argv += ["-u", "8", "-r", "8", "--host", ready.url, "--bank", str(ready.bank), "--trial-dir", str(trial)]
    argv += (
        ["--processes", str(processes), "--master-bind-port", "5611", "--master-port", "5611"] if processes > 1 else []
    )
    argv += ["-t", f"{round(seconds)}s"] if way == "time" else []  # Locust's own clock, in whole seconds
    process = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if way != "time":
        deadline = time.monotonic() + 60
        while len(list(trial.glob("requests*.arrow"))) < processes and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(seconds)
        process.send_signal(getattr(signal, way))
    process.wait(90)


def test_rows(tmp_path):
    draw = random.Random(5)
    lines = ["| run | ended by | load processes | in the server's log | rows | equal |", "|---|---|---|---|---|---|"]
    different = []
    for number in range(20):
        way = ("time", "SIGINT", "SIGTERM")[number % 3]
        processes = 2 if number % 4 == 3 else 1
        seconds = draw.uniform(1.0, 3.0)
        log, trial = tmp_path / f"{number}.csv", tmp_path / f"trial-{number}"
        with logged_server(log) as ready:
            ended_by(way, ready, trial, seconds, processes)
        logged = len(ServerLog.read(log))
        rows = sum(read_rows(path).num_rows for path in trial.glob("requests*.arrow"))
        equal = "yes" if rows == logged else "NO"
        different += [number] if rows != logged or not rows else []
        lines.append(f"| {number + 1} | {way}, {seconds:.1f} s | {processes} | {logged:,} | {rows:,} | {equal} |")
    keep("rows", command("rows"), lines)
    assert not different


# --- identical runs


PAIRS, REPEATS = 40, 2


def test_same(tmp_path):
    evidence = []
    for part in range(2):
        out = tmp_path / str(part)
        words = ("run", "batch_size=16", "--concurrency", 8, "--seconds", "0.8s", "--warmup", "0.2s")
        argv = harness(*words, "--repeats", PAIRS * REPEATS, "--seed", part, "--out", out, "--json")
        subprocess.run(argv, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=900, check=False)
        folder = RunDir.open(out, "DIR")
        evidence += trials_of(folder)
    assert all(one.rows.num_rows for one in evidence), "a trial has no rows; its load.log says why"
    changes = []
    for pair in range(PAIRS):
        block = evidence[2 * REPEATS * pair : 2 * REPEATS * (pair + 1)]
        # Interleaved, as a sweep runs its points.
        summaries = [summarise_trial(each, None) for each in block]
        points = [summarise_point(block[0].point, summaries[side::2], None) for side in (0, 1)]
        changes.append(compare_rates(*(point.throughput_rps for point in points)))
    called = sum(change.different for change in changes)
    ratios = sorted(change.ratio.value for change in changes)
    lines = [
        "| pairs | repeats of each | called different | ratios from | to |",
        "|---|---|---|---|---|",
        f"| {PAIRS} | {REPEATS} | {called} ({called / PAIRS:.1%}) | {ratios[0]:.3f} | {ratios[-1]:.3f} |",
    ]
    keep(
        "same",
        command("same"),
        ["`batched` digits-mlp, 8 users, 0.8 s a trial; throughput, compared as `sweep` compares settings", "", *lines],
    )
    assert called <= 0.05 * PAIRS
