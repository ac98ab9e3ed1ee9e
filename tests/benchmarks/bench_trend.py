"""How often is a change of level over ten runs found, and how often one that is none? On simulated histories.

    python -m tests.benchmarks.bench_trend [--histories 300] [--runs 10] [--seed 1]

Each run's figure scatters by a log-normal noise and states an interval for it, which is right, or half or twice as wide
as it should be. The change comes between two of the runs, at least two from an end. Found: within one run of its place.
"""

from __future__ import annotations

import argparse
import math

import numpy as np

from harness.judge.history.history_file import HistoryEntry
from harness.judge.history.trend import trends

STEPS = (0.0, 0.05, 0.1, 0.2, 0.3)


def history(logs: np.ndarray, stated: float) -> list[HistoryEntry]:
    reach = math.exp(1.96 * stated)
    return [
        HistoryEntry(
            "0", "8 users", "throughput", f"2026-11-{n:03}", f"c{n}", "m", "m", v := math.exp(log), v / reach, v * reach
        )
        for n, log in enumerate(logs)
    ]


def found(logs: np.ndarray, stated: float) -> list[int]:
    (trend,) = trends(history(logs, stated))
    return [change.before + 1 for change in trend.changes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=300)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(
        "| noise | stated / true | no change: alarms | " + " | ".join(f"{step:.0%}: found" for step in STEPS[1:]) + " |"
    )
    print("|---|---|" + "---|" * len(STEPS))
    rng = np.random.default_rng(given.seed)
    for noise in (0.03, 0.05, 0.1):
        for width in (0.5, 1.0, 2.0):
            cells = []
            for step in STEPS:
                hits = 0
                for _ in range(given.histories):
                    place = int(rng.integers(2, given.runs - 1))
                    logs = rng.normal(0.0, noise, given.runs)
                    logs[place:] += math.log1p(step)
                    said = found(logs, noise * width)
                    hits += any(abs(each - place) <= 1 for each in said) if step else bool(said)
                cells.append(f"{hits / given.histories:.1%}" if not step else f"{hits / given.histories:.0%}")
            print(f"| {noise:.0%} | {width:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
