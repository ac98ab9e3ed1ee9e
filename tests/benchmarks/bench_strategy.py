"""Data parallel, model parallel, and the simulation of both, against what was measured. wrk is the client.

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_strategy.py

Servers, wrk and whatever listens share all cores of the machine: the CPU that wrk and the front end take is taken
from the model, and the table says how much that is. Settings take turns; medians. BENCH_SECONDS and BENCH_REPEATS
change length and number of runs.
"""

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial

import exact
import psutil
import pytest

from harness.judge.simulation.fit import batch_trials, fit
from harness.judge.simulation.prediction import system_of
from harness.judge.simulation.service_time import ServiceTime
from harness.judge.simulation.simulated_run import simulate
from harness.judge.simulation.system import SimulatedSystem
from harness.judge.stats.quantiles import quantile
from harness.plan.arrivals import Closed, Poisson
from harness.plan.process_layout import QUEUE
from harness.record.run_dir import RunDir
from tests.benchmarks.served import CORES, REPEATS, ROOT, SECONDS, ours, scrape, v2_binary, wrk

pytestmark = pytest.mark.timeout(1800)
CONNECTIONS = 8
ROWS = 64  # of each request, and of a batch: the model takes nearly all of the time, HTTP little
COMMON = {"engine": "onnxruntime", "batch_size": ROWS}


def machine():
    when = datetime.now(UTC).date()
    return f"{when}, {platform.machine()}, {len(CORES)} cores, runs of {SECONDS:g} s, medians of {REPEATS}"


def measure(running, folder, seconds=SECONDS):
    """(wrk's load, what the server counted meanwhile). Replicas publish once a second, so only one process is exact."""
    before = scrape(running)
    load = wrk(running, CONNECTIONS, folder, seconds, pinned=CORES)
    after = scrape(running)
    return load, {key: value - before.get(key, 0.0) for key, value in after.items()}


def rounds(settings, model, folder):
    """Every setting's measurements, taken in turns."""
    seen = {name: [] for name in settings}
    for _ in range(REPEATS):
        for name, knobs in settings.items():
            with ours("batched", model, partial(v2_binary, rows=ROWS), pinned=CORES, **COMMON, **knobs) as running:
                measure(running, folder, 1)
                seen[name].append(measure(running, folder))
    return seen


@pytest.mark.parametrize("model", ["digits-cnn", "deep-mlp"])
def test_replicas(model, tmp_path):
    settings = {
        "1 replica, 1 thread": {"intra_op_threads": 1},
        "1 replica, 2 threads": {"intra_op_threads": 2},
        "2 replicas, one port": {"replicas": 2},
        "2 replicas, one queue": {"replicas": 2, "dispatch": "queue"},
    }
    seen = rounds(settings, model, tmp_path)
    print(f"\n{machine()}; {model}, ONNX Runtime, requests of {ROWS} rows, {CONNECTIONS} connections\n")
    print("| setting | requests/s | of 1 replica | p50 / p99 ms | CPU of the server, µs a request |")
    print("|---|---|---|---|---|")
    first = statistics.median(load.good_rps for load, _ in seen["1 replica, 1 thread"])
    for name, measured in seen.items():
        rps, p50, p99, cpu = (
            statistics.median(getattr(load, field) for load, _ in measured)
            for field in ("good_rps", "p50_ms", "p99_ms", "cpu_us")
        )
        print(f"| {name} | {rps:,.0f} | ×{rps / first:.2f} | {p50:.1f} / {p99:.1f} | {cpu:.0f} |")


def test_stages_go_at_the_pace_of_the_longest(tmp_path):
    settings = {
        "1 stage, 1 thread": {"dispatch": "queue", "intra_op_threads": 1},
        "1 stage, 2 threads": {"strategy": "single", "intra_op_threads": 2},
        "2 stages": {"stages": 2},
    }
    seen = rounds(settings, "deep-mlp", tmp_path)
    print(f"\n{machine()}; deep-mlp, ONNX Runtime, requests of {ROWS} rows, {CONNECTIONS} connections\n")
    print("| setting | requests/s | requests a batch | stages, ms | a batch per longest stage | measured / that |")
    print("|---|---|---|---|---|---|")
    ratios = {}
    for name, measured in seen.items():
        lines = [pace(load, counted) for load, counted in measured]
        rps, rows, predicted = (statistics.median(line[index] for line in lines) for index in (0, 1, 3))
        stages = [statistics.median(stage) for stage in zip(*(line[2] for line in lines), strict=True)]
        ratios[name] = statistics.median(line[0] / line[3] for line in lines)
        times = " + ".join(f"{stage:.2f}" for stage in stages)
        print(f"| {name} | {rps:,.0f} | {rows:.2f} | {times} | {predicted:,.0f} | {ratios[name]:.2f} |")
    assert ratios["2 stages"] == pytest.approx(1, abs=0.15)


def pace(load, counted):
    """(requests/s, requests a batch, each stage's ms a batch, requests of a batch over the longest stage)."""
    calls = [counted["sweepspot_stage_calls_total", f'stage="{stage}"'] for stage in (1, 2)
             if ("sweepspot_stage_calls_total", f'stage="{stage}"') in counted]  # fmt: skip
    spent_s = [counted["sweepspot_stage_compute_seconds_total", f'stage="{stage + 1}"'] for stage in range(len(calls))]
    stages_ms = [1e3 * spent / count for spent, count in zip(spent_s, calls, strict=True)]
    rows = counted["sweepspot_requests_total", 'outcome="ok"'] / calls[0]
    return load.good_rps, rows, stages_ms, 1e3 * rows / max(stages_ms)


HELD_OUT = ((4, 16), (16, 24))


def test_the_simulation_predicts_what_it_was_not_fitted_to(tmp_path):
    """Fitted to batches of up to 1, 8 and 32 rows under 1 and 32 users; held against others in between."""
    folder = RunDir.open(harness(tmp_path / "fit", "batch_size=1,8,32", "1,32"), "fit")
    plan = folder.read().plan
    found = fit(batch_trials(plan, (folder.trial_data(plan, trial) for trial in folder.begun(plan))))
    print(f"\n{machine()}; deep-mlp, ONNX Runtime, one thread; s(b) = {found.service.slope_ms:.3f} b + ", end="")
    print(f"{found.service.base_ms:.3f} ms, {found.request_ms:.3f} ms a request beside it\n")
    print("| setting | requests/s: simulated / measured | p99 ms: simulated / measured |\n|---|---|---|")
    off = []
    for batch_size, users in HELD_OUT:
        points = harness(tmp_path / f"held-out-{batch_size}", f"batch_size={batch_size}", str(users), as_json=True)
        (point,) = points["result"]["points"]
        rps = point["throughput_rps"]["value"]
        p99 = next(each["value_ms"] for each in point["response"]["quantiles"] if each["p"] == 0.99)
        setting = {"replicas": 1, "stages": 1, "dispatch": "port", "batch_size": batch_size, "batch_wait_ms": 0.0}
        outcome = simulate(system_of(found, setting, ()), Closed(users=users), 20_000, 1)
        outcome.responses_ms.sort()
        tail = quantile(outcome.responses_ms, 0.99)
        print(f"| batches of up to {batch_size}, {users} users | {outcome.throughput_rps:,.0f} / {rps:,.0f} ", end="")
        assert p99, "the sample cannot carry a p99; measure longer (BENCH_SECONDS)"
        print(f"({outcome.throughput_rps / rps - 1:+.0%}) | {tail:.1f} / {p99:.1f} ({tail / p99 - 1:+.0%}) |")
        off += [outcome.throughput_rps / rps - 1, tail / p99 - 1]
    assert max(map(abs, off)) < 0.20


def harness(out, word, users, *, as_json=False):
    """A sweep of the embedded target: its folder, or its result."""
    argv = [sys.executable, "-m", "harness", "sweep", word, "engine=onnxruntime", "intra_op_threads=1"]
    argv += [
        "--model",
        "deep-mlp",
        "--concurrency",
        users,
        "--seconds",
        f"{(4 if as_json else 2) * SECONDS:g}s",
        "--out",
        str(out),
    ]
    done = subprocess.run([*argv, "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 4), done.stderr
    return json.loads(done.stdout) if as_json else out


def _mean_wait(case):
    system, rate, seed = case
    return simulate(system, Poisson(rate_rps=rate), 500_000, seed).waits_ms.mean()


def test_mean_waits_at_a_high_load():
    """What the quick tests check at 0.6 and with fewer requests, at a utilisation of 0.8 and to 2 %."""
    one_ms = (ServiceTime(slope_ms=0.0, base_ms=1.0),)
    cases = {
        "M/D/1, 0.8": (SimulatedSystem(stages=one_ms), 800.0, exact.mdc_mean_wait(0.8, 1)),
        "M/D/4, 0.8": (SimulatedSystem(stages=one_ms, replicas=4, dispatch=QUEUE), 3200.0, exact.mdc_mean_wait(3.2, 4)),
        "batches of up to 8, 0.2 b + 1 ms, 2.8 per ms": (
            SimulatedSystem(stages=(ServiceTime(slope_ms=0.2, base_ms=1.0),), batch_size=8),
            2800.0,
            exact.batching_means(2.8, 0.2, 1.0, 8)[2],
        ),
    }
    seeds = range(6)
    print(f"\n{machine()}; {len(seeds)} x 500,000 requests\n")
    print("| queue | mean wait, ms: simulated | exact | |\n|---|---|---|---|")
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for name, (system, rate, truth) in cases.items():
            mean = statistics.fmean(pool.map(_mean_wait, [(system, rate, seed) for seed in seeds]))
            print(f"| {name} | {mean:.4f} | {truth:.4f} | {mean / truth - 1:+.2%} |")
            assert mean == pytest.approx(truth, rel=0.02)


def teardown_module():
    with contextlib.suppress(psutil.Error):
        assert not [child for child in psutil.Process().children(recursive=True) if "targets" in child.cmdline()]
