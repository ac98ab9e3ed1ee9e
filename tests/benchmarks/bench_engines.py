"""What does a call cost in each engine and precision, and what does that cost in accuracy?

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_engines.py

One thread on one core; every engine in a process of its own. Time is the process's CPU time, which others on the same
machine disturb least, and the least of several rounds' means. BENCH_MODELS=digits-mlp,digits-cnn chooses the models.
"""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import pytest

from targets.engines.catalog import CATALOG, available, not_available
from targets.preparation import prepare
from tests.benchmarks.served import CORES, ROOT

MODELS = os.environ.get("BENCH_MODELS", "digits-mlp,digits-cnn").split(",")
BATCHES = (1, 64)
PACKAGES = {"onnxruntime": "onnxruntime", "litert": "ai-edge-litert", "openvino": "openvino"}
PACKAGES |= {"keras-torch": "torch", "keras-jax": "jax"}
CODE = """
import json, sys, time
import numpy as np
from targets import TARGETS
from targets.engines.catalog import find_engine
from targets.loading import load_model
from targets.preparation import prepare

found = []
for model in sys.argv[2].split(","):
    for precision in find_engine(sys.argv[1]).precisions:
        one = {"engine": sys.argv[1], "precision": precision, "intra_op_threads": 1, "inter_op_threads": 1}
        try:
            loaded = load_model(prepare(model, print), TARGETS["inprocess"].knobs.complete(one), lambda *_: None)
        except Exception as error:
            found.append({"model": model, "precision": precision, "error": str(error)})
            continue
        spent = {}
        for rows in (1, 64):
            inputs = np.ascontiguousarray(loaded.bank.inputs[:rows])
            loaded.engine.predict(inputs)
            best, until = float("inf"), time.process_time() + 0.3
            while time.process_time() < until:
                start, calls = time.process_time(), 0
                while calls < 3 or time.process_time() - start < 0.02:
                    loaded.engine.predict(inputs)
                    calls += 1
                best = min(best, (time.process_time() - start) / calls)
            spent[rows] = best * 1e6
        found.append({"model": model, "precision": precision, "accuracy": loaded.prepared.card.served_accuracy,
                      "us": spent})
print(json.dumps(found))
"""


def measure(engine):
    argv = ["taskset", "-c", str(CORES[0]), sys.executable, "-c", CODE, engine, ",".join(MODELS)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{engine}: {done.stderr[-2000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def version_of(engine):
    package = PACKAGES.get(engine, "tensorflow")
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package


def cell(one):
    if one is None:
        return ""
    if "error" in one:
        return one["error"]
    return f"{one['us']['1']:,.1f} / {one['us']['64']:,.1f}; {one['accuracy']:.1%}"


@pytest.mark.timeout(900)
def test_engines():
    for model in MODELS:
        prepare(model, lambda *_: None)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d}, {machine}, one thread; CPU-µs per call with 1 / 64 rows; held-out accuracy\n"
    )
    print("| engine | precision | " + " | ".join(MODELS) + " | version |")
    print("|---|---|" + "---|" * (len(MODELS) + 1))
    for name in available():
        found = {(one["model"], one["precision"]): one for one in measure(name)}
        for precision in next(spec for spec in CATALOG if spec.name == name).precisions:
            cells = " | ".join(cell(found.get((model, precision))) for model in MODELS)
            print(f"| {name} | {precision} | {cells} | {version_of(name)} |", flush=True)
    for name, remedy in not_available():
        print(f"{name} is not available: {remedy}")
