"""Damaged conversations with the gRPC front, in-process, and good ones among them; see `tests/examples/grpc_noise.py`.

    .venv/bin/python tests/benchmarks/fuzz_grpc_front.py --minutes 10

The seed is printed, and makes a run again. The memory at a quarter and at the end must be about the same.
"""

import argparse
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "examples")]

from grpc_noise import Noise  # noqa: E402  (it is found there)

MAX_CASE_S = 2.0  # of CPU
MAX_GROWTH_MB = 8


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    noise, process = Noise(chosen.seed), psutil.Process()
    limit_s, cases, settled_mb = chosen.minutes * 60, 0, 0.0
    while (spent_s := time.process_time()) < limit_s:
        noise.case()
        cases += 1
        assert time.process_time() - spent_s < MAX_CASE_S, f"case {cases} took too long"
        if not settled_mb and spent_s > limit_s / 4:
            settled_mb = process.memory_info().rss / 2**20
    end_mb = process.memory_info().rss / 2**20
    print(
        f"{cases} conversations, {noise.faults} of them ended by the front; {noise.answers} good calls answered right; "
        f"{settled_mb:.0f} to {end_mb:.0f} MB; nothing found"
    )
    assert end_mb - settled_mb < MAX_GROWTH_MB


if __name__ == "__main__":
    main()
