"""Which probe of the processor tells when neighbours on the host slow a server?

    python -m tests.benchmarks.bench_memory_probes [--trials 50] [--out results/probes]

`batched` is measured again and again at batch_size=64 and 128 users, in trials of 2 s. Beside it each core makes every
probe once in 100 ms. Prints, for each probe and core, the correlation of its median over a trial with the trial's rate
(logarithms of both), the deviation of the rate that it leaves, and the range of the probe. On a host without
neighbours there is nothing to be seen.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

PROBES = ("500 turns of a loop", "a power of large numbers", "2,000 places of 256 KB", "1,000 places of 4 MB")
EVERY_S = 0.1
Read = tuple[int, list[int]]  # when, in ns, and what each probe took


def took_ns(work: Callable[[], object]) -> int:
    start_ns = time.monotonic_ns()
    work()
    return time.monotonic_ns() - start_ns


def turns() -> None:
    for _ in range(500):
        pass


def gather(order: NDArray[np.int32], first: int, count: int) -> int:
    return int(order[order[first : first + count]].sum())


def probe(core: int, until: float, found: multiprocessing.Queue[tuple[int, list[Read]]]) -> None:
    """All probes on one core until an instant of the monotonic clock."""
    os.sched_setaffinity(0, {core})
    rng = np.random.default_rng(0)
    near, far = rng.permutation(1 << 16).astype(np.int32), rng.permutation(1 << 20).astype(np.int32)

    quick = (turns, partial(pow, 3, 10**40, 10**60 + 7), partial(gather, near, 0, 2000))
    reads: list[Read] = []
    while time.monotonic() < until:
        time.sleep(EVERY_S)
        took = [min(took_ns(work) for _ in range(3)) for work in quick]
        took.append(took_ns(partial(gather, far, int(rng.integers(1_000_000)), 1000)))
        reads.append((time.monotonic_ns(), took))
    found.put((core, reads))


def rate_of(trial: Path) -> tuple[int, int, float]:
    """Start and end of what is measured, and the responses in a second of it."""
    report = json.loads((trial / "load.json").read_text())
    start_ns, end_ns = report["measure_start_ns"], report["measure_end_ns"]
    done_ns = pq.read_table(trial / "requests.parquet", columns=["done_ns"])["done_ns"].to_numpy()
    return start_ns, end_ns, float(((done_ns >= start_ns) & (done_ns < end_ns)).sum()) / (end_ns - start_ns) * 1e9


def show(core: int, reads: list[Read], trials: list[tuple[int, int, float]]) -> None:
    at_ns, took = np.array([at for at, _ in reads]), np.array([each for _, each in reads])
    middle = np.array([np.median(took[(at_ns > start) & (at_ns < end)], axis=0) for start, end, _ in trials])
    rates: NDArray[np.float64] = np.log([rate for *_, rate in trials])
    for number, name in enumerate(PROBES):
        logs = np.log(middle[:, number])
        correlation = float(np.corrcoef(rates, logs)[0, 1])
        left = float(rates.std()) * (1.0 - correlation**2) ** 0.5
        ends = f"{middle[:, number].min():,.0f} to {middle[:, number].max():,.0f} ns"
        print(f"| {core} | {name} | {correlation:+.2f} | {left:.1%} | {ends} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--out", type=Path, default=Path("results/probes"))
    given = parser.parse_args()
    cores, until = sorted(os.sched_getaffinity(0)), time.monotonic() + 15.0 + 4.0 * given.trials
    found: multiprocessing.Queue[tuple[int, list[Read]]] = multiprocessing.Queue()
    for core in cores:
        multiprocessing.Process(target=probe, args=(core, until, found), daemon=True).start()
    words = ["--concurrency", "128", "--seconds", "2s", "--repeats", str(given.trials), "--out", str(given.out)]
    subprocess.run([sys.executable, "-m", "harness", "sweep", "batch_size=64", *words], check=False)
    read = dict(found.get() for _ in cores)
    trials = [rate_of(trial) for trial in sorted((given.out / "trials").iterdir())]
    rates = np.log([rate for *_, rate in trials])
    print(f"\n{len(trials)} trials, whose rates deviate by {rates.std():.1%}\n")
    print("| core | probe | correlation | deviation left | range |\n|---|---|---|---|---|")
    for core in cores:
        show(core, read[core], trials)


if __name__ == "__main__":
    main()
