"""What data parallelism and larger batches make of training throughput on this machine, judging excluded.

    .venv/bin/python -m pytest -q -s -o python_files='bench_*.py' tests/benchmarks/bench_training.py

Each line is a sweep as a user runs it: `python -m harness sweep train_devices=1,2 train_batch_size=512 epochs=6`.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEEDS = 3


def sweep(model, words, out):
    argv = [sys.executable, "-m", "harness", "sweep", *words, "--model", model, "--seeds", str(SEEDS)]
    done = subprocess.run(
        [*argv, "--json", "--out", str(out)], cwd=ROOT, capture_output=True, text=True, timeout=400, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["result"]


def cell(point):
    rate, accuracy = point["samples_per_s"], point["test_accuracy"]
    return (
        f"{rate['value']:,.0f}/s ({rate['low']:,.0f}-{rate['high']:,.0f}), "
        f"{100 * accuracy['value']:.1f} %, {point['usage']['cpu_target_cores']:.2f} cores"
    )


@pytest.mark.timeout(450)
@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("digits-mlp", ("train_batch_size=8,32,128,512", "epochs=20")),
        ("digits-mlp", ("train_devices=1,2", "train_batch_size=512", "epochs=20")),
        ("wide-mlp", ("train_devices=1,2", "train_batch_size=512", "epochs=4")),
        ("wide-mlp", ("train_threads=1,2", "train_batch_size=512", "epochs=4")),
    ],
)
def test_training_throughput(model, words, tmp_path):
    points = sweep(model, words, tmp_path / "run")["points"]
    swept = [f"{name}={value}" for point in points for name, value in point["setting"].items()]
    print(f"\n| {model}, {' '.join(words[1:])} | " + " | ".join(swept) + " |")
    print("|---" * (len(points) + 1) + "|")
    print(f"| examples/s, test accuracy, CPU | {' | '.join(cell(point) for point in points)} |")
    assert all(point["samples_per_s"]["value"] > 0 for point in points)
