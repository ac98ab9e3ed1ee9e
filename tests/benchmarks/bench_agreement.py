"""Do wrk, perf_analyzer and this project measure the same server alike, at 8 users?

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_agreement.py

One `batched` serving the wide MLP on one core, each client on the other, in turns; medians. The model takes long
enough for the server to be what is measured: where a client needs more of its core than the server of its own, clients
differ by what they cost.

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
import urllib.parse

import pytest

from tests.benchmarks.served import CORES, REPEATS, ROOT, SECONDS, ours, wrk

USERS = 8
MODEL = "wide-mlp"
KNOBS = {"batch_size": 32, "engine": "onnxruntime", "intra_op_threads": 1, "inter_op_threads": 1}
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


@pytest.mark.timeout(600)
def test_agreement(tmp_path):
    seen = {name: [] for name in CLIENTS}
    with ours("batched", MODEL, **KNOBS) as running:
        wrk(running, USERS, tmp_path, 1)
        for _ in range(REPEATS):
            for name, measure in CLIENTS.items():
                seen[name].append(measure(running, tmp_path))
    print(f"\n| client, {USERS} users, {MODEL} | requests/s | p50 ms | against wrk |\n|---|---|---|---|")
    medians = {name: [statistics.median(column) for column in zip(*got, strict=True)] for name, got in seen.items()}
    for name, (rps, p50_ms) in medians.items():
        print(f"| {name} | {rps:,.0f} | {p50_ms:.3f} | {rps / medians['wrk'][0]:.3f} |")
    if not PERF_ANALYZER:
        print("perf_analyzer is not installed, and left out")
    assert all(abs(rps / medians["wrk"][0] - 1) <= WITHIN for rps, _ in medians.values())
