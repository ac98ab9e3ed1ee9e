"""What does a batching policy gain? Against batch size 1, against the best fixed setting, and against the default.

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_policies.py

Measured: one server whose live knobs are turned, on one core, wrk with 64 connections on another, in turns. Simulated:
the same queue and policies in simulated time, with the service curve s(b) = a*b + t0 measured from the engine just
before; the highest Poisson rate at which 99 % of the answers keep the objective. Noise-free, and open-loop.

In throughput batching can gain at most (a + t0) / (a + t0/B) over batch size 1: a measured figure above that is the
machine's noise. (Under an objective it may gain a little more: batch size 1 needs more headroom for its queue.)
"""

import statistics
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np

from targets.batching.batch_simulation import serve
from targets.batching.fixed import FixedPolicy
from targets.batching.greedy import GreedyPolicy
from targets.batching.knobs import BATCH_SIZE
from targets.batching.slo import SloPolicy
from tests.benchmarks.served import CORES, REPEATS, ROOT, SECONDS, ours, wrk

MODEL, ENGINE = "wide-mlp", "onnxruntime"
LARGEST = 64
CONNECTIONS = 64
SLO_MS = 50.0
MS = 1_000_000
ARRIVALS = 20_000
ROUNDS = 9  # of halving the interval of rates: 0.2 % of it are left

ONE, DEFAULT = "batch size 1", "default"
SETTINGS = {
    ONE: {"batch_size": 1, "batch_policy": "greedy"},
    DEFAULT: {"batch_size": BATCH_SIZE.default, "batch_policy": "fixed", "batch_wait_ms": 0.0},
    "greedy": {"batch_size": LARGEST, "batch_policy": "greedy"},
    "fixed 2 ms": {"batch_size": LARGEST, "batch_policy": "fixed", "batch_wait_ms": 2.0},
    "fixed 10 ms": {"batch_size": LARGEST, "batch_policy": "fixed", "batch_wait_ms": 10.0},
    "slo": {"batch_size": LARGEST, "batch_policy": "slo", "slo_ms": SLO_MS},
}
POLICIES = {
    "greedy": lambda setting: GreedyPolicy(),
    "fixed": lambda setting: FixedPolicy(setting["batch_wait_ms"]),
    "slo": lambda setting: SloPolicy(setting["slo_ms"]),
}


def measured_curve():
    """(a, t0) in ms, by least squares over the shortest of several calls at each batch size."""
    code = f"""
import time, numpy as np
from targets import TARGETS
from targets.loading import load_model
from targets.preparation import prepare
setting = TARGETS["batched"].knobs.complete({{"engine": {ENGINE!r}, "intra_op_threads": 1, "inter_op_threads": 1}})
loaded = load_model(prepare({MODEL!r}, lambda *_: None), setting, lambda *_: None)
for rows in (1, 2, 4, 8, 16, 32, 64):
    inputs = np.ascontiguousarray(loaded.bank.inputs[:rows])
    spent = []
    for _ in range(15):
        start = time.perf_counter()
        loaded.engine.predict(inputs)
        spent.append(time.perf_counter() - start)
    print(rows, min(spent) * 1e3)
"""
    argv = ["taskset", "-c", str(CORES[0]), sys.executable, "-c", code]
    said = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    points = np.array([[float(word) for word in line.split()] for line in said.splitlines()])
    slope_ms, start_ms = np.polyfit(points[:, 0], points[:, 1], 1)
    return slope_ms, max(start_ms, 0.0)


def capacity(setting, slope_ms, start_ms):
    """The highest Poisson rate, in requests/s, at which 99 % of the answers come within the objective."""
    size = setting["batch_size"]
    low, high = 0.0, 1.05 * size / (slope_ms * size + start_ms)
    gaps = np.random.default_rng(1).exponential(1.0, ARRIVALS)
    for _ in range(ROUNDS):
        rate_per_ms = (low + high) / 2
        arrivals = (np.cumsum(gaps) / rate_per_ms * MS).astype(np.int64)
        policy = POLICIES[setting["batch_policy"]](setting)
        served = serve(arrivals, policy, size, lambda rows: (slope_ms * rows + start_ms) * MS)
        if (served.response_ns <= SLO_MS * MS).mean() >= 0.99:
            low = rate_per_ms
        else:
            high = rate_per_ms
    return low * 1e3


def three_columns(rates, title):
    best = max((name for name in SETTINGS if SETTINGS[name]["batch_policy"] == "fixed"), key=rates.get)
    lines = [
        f"| {title} | requests/s | against {ONE} | against the best fixed ({best}) | against the default |",
        "|---|---|---|---|---|",
    ]
    for name, rate in rates.items():
        ratios = " | ".join(f"{rate / rates[other]:.2f}" for other in (ONE, best, DEFAULT))
        lines.append(f"| {name} | {rate:,.0f} | {ratios} |")
    return "\n".join(lines)


def test_policies(tmp_path):
    slope_ms, start_ms = measured_curve()
    seen = {}
    with ours("batched", MODEL, engine=ENGINE, intra_op_threads=1, inter_op_threads=1) as running:
        wrk(running, CONNECTIONS, tmp_path, 1)
        for _ in range(REPEATS):
            for name, setting in SETTINGS.items():
                running.set(**setting)
                seen.setdefault(name, []).append(wrk(running, CONNECTIONS, tmp_path))
    measured = {name: statistics.median(load.good_rps for load in loads) for name, loads in seen.items()}
    ceiling = (slope_ms + start_ms) / (slope_ms + start_ms / LARGEST)
    print(
        f"\n{MODEL}, {ENGINE}, {datetime.now(UTC):%Y-%m-%d}; s(b) = {slope_ms:.3f} b + {start_ms:.3f} ms; batches "
        f"up to {LARGEST} can gain {ceiling:.2f} over batch size 1 in the model; {SECONDS:g} s, medians of {REPEATS}\n"
    )
    print(three_columns(measured, f"measured, {CONNECTIONS} connections in a closed loop"))
    for name, loads in seen.items():
        p99_ms, cpu_us = (statistics.median(getattr(load, field) for load in loads) for field in ("p99_ms", "cpu_us"))
        print(f"{name}: p99 {p99_ms:.1f} ms, {cpu_us:.0f} µs of CPU per request")
    simulated = {name: capacity(setting, slope_ms, start_ms) for name, setting in SETTINGS.items()}
    print()
    print(three_columns(simulated, f"simulated, p99 <= {SLO_MS:g} ms under Poisson arrivals"))
    assert simulated["slo"] >= 0.95 * max(simulated.values())
