"""Do wrk, perf_analyzer and this project measure the same server alike, at 8 users?

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_agreement.py

One `batched` serving the wide MLP on one core, each client on the other, in turns; medians. The model takes long
enough for the server to be what is measured: where a client needs more of its core than the server of its own, clients
differ by what they cost. A virtual machine is not equally fast from one run to the next; so what each client says is
held against what the server counted in the same seconds, too.

They must agree where the server alone decides how fast it goes: one request at a time, with seven more always before
it. Two further settings are in the table and not in the comparison, for there it matters how a client comes back. A
server that waits for all eight waits for what a client needs for eight requests, too. One that takes whatever is there
finds wrk's eight together, which reads all answers before it sends a request; who answers each at once, as users do,
finds the first of them computed alone. The requests per model call, counted by the server, show it.

perf_analyzer's wheel wants glibc 2.38. Where the system has an older one, PERF_ANALYZER=/path/to/perf_analyzer names
one that runs, for example a script that starts it beside an unpacked newer libc; without any it is left out.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse

import numpy as np
import pytest

from tests.benchmarks.served import CORES, REPEATS, ROOT, SECONDS, ours, scrape, wrk

USERS = 8
MODEL = "wide-mlp"
KNOBS = {"engine": "onnxruntime", "intra_op_threads": 1, "inter_op_threads": 1}
SETTINGS = {
    "one at a time": {"batch_size": 1},
    "waits for eight": {"batch_size": USERS, "batch_policy": "fixed", "batch_wait_ms": 20},
    "what is there": {"batch_size": 32},
}
COMPARED = "one at a time"
PERF_ANALYZER = os.environ.get("PERF_ANALYZER") or shutil.which("perf_analyzer")
WITHIN = 0.10


def pinned(*argv):
    return subprocess.run(
        ["taskset", "-c", str(CORES[-1]), *map(str, argv)], cwd=ROOT, capture_output=True, text=True, check=False
    )


def own(running, folder):
    """(requests/s, p50 in ms) by `harness run`, every answer checked."""
    base = running.url.partition("/v2/")[0]
    out = folder / f"run-{len(list(folder.glob('run-*')))}"
    argv = [sys.executable, "-m", "harness", "run", "--target", base, "--model", MODEL, "--no-isolate", "--json"]
    done = pinned(*argv, "--concurrency", USERS, "--seconds", f"{SECONDS:g}s", "--out", out)
    assert done.stdout, done.stderr
    (point,) = json.loads(done.stdout)["result"]["points"]
    assert not point["counts"]["wrong"]
    p50 = next(one for one in point["response"]["quantiles"] if one["p"] == 0.5)
    return point["throughput_rps"]["value"], p50["value_ms"]


def by_wrk(running, folder):
    load = wrk(running, USERS, folder)
    return load.good_rps, load.p50_ms


def by_perf_analyzer(running, folder):
    del folder
    where = urllib.parse.urlsplit(running.url).netloc
    argv = [PERF_ANALYZER, "-m", MODEL, "-u", where, "--concurrency-range", USERS, "--max-trials", 3]
    done = pinned(*argv, "--measurement-interval", round(SECONDS * 1000), "--stability-percentage", 60)
    found = re.search(r"throughput: ([\d.]+) infer/sec", done.stdout)
    assert found, done.stdout + done.stderr
    return float(found[1]), int(re.search(r"p50 latency: (\d+) usec", done.stdout)[1]) / 1e3


CLIENTS = {"sweepspot": own, "wrk": by_wrk} | ({"perf_analyzer": by_perf_analyzer} if PERF_ANALYZER else {})


class TrialCost(threading.Thread):
    """Reads the server's own count four times a second, while a client is at work."""

    def __init__(self, running):
        super().__init__(daemon=True)
        self._running = running
        self._done = threading.Event()
        self._seen = []

    def run(self):
        while not self._done.wait(0.25):
            found = scrape(self._running)
            rows, calls = (found[f"sweepspot_batch_size_{part}", ""] for part in ("sum", "count"))
            self._seen.append((time.monotonic(), rows, calls))

    def stop(self):
        """(requests/s, requests per model call) while it was busy: intervals of half the greatest rate and more."""
        self._done.set()
        self.join()
        steps = np.diff(np.array(self._seen), axis=0)
        rates = steps[:, 1] / steps[:, 0]
        busy = rates > rates.max() / 2
        return float(np.median(rates[busy])), float(steps[busy, 1].sum() / steps[busy, 2].sum())


def rounds(knobs, folder):
    """By client: of each turn requests/s, p50 in ms, the server's own requests/s meanwhile, requests per model call."""
    seen = {name: [] for name in CLIENTS}
    with ours("batched", MODEL, **KNOBS, **knobs) as running:
        wrk(running, USERS, folder, 1)
        for _ in range(REPEATS):
            for name, measure in CLIENTS.items():
                pace = TrialCost(running)
                pace.start()
                figures = measure(running, folder)
                seen[name].append((*figures, *pace.stop()))
    return seen


@pytest.mark.timeout(600)
@pytest.mark.parametrize("setting", SETTINGS)
def test_agreement(tmp_path, setting):
    seen = rounds(SETTINGS[setting], tmp_path)
    head = f"{MODEL}, {USERS} users, {setting}"
    print(f"\n| client: {head} | requests/s | p50 ms | the server meanwhile | said / that | requests per model call |")
    print("|---|---|---|---|---|---|")
    ratios = {}
    for name, turns in seen.items():
        rps, p50_ms, pace_rps, rows = (statistics.median(column) for column in zip(*turns, strict=True))
        ratios[name] = statistics.median(said / paced for said, _, paced, _ in turns)
        print(f"| {name} | {rps:,.0f} | {p50_ms:.3f} | {pace_rps:,.0f} | {ratios[name]:.3f} | {rows:.2f} |")
    if not PERF_ANALYZER:
        print("perf_analyzer is not installed, and left out")
    if setting == COMPARED:
        assert all(abs(ratio / ratios["wrk"] - 1) <= WITHIN for ratio in ratios.values())
