"""How far off is the capacity that the search finds, and does its interval hold the truth? Against known servers.

    python -m tests.benchmarks.bench_capacity [--seeds 20] [--first-seed 0] [--seconds 5] [--budget 240] [--noise 0]
                                              [--server NAME]

Each search gets trials of so many seconds, with 3 s beside each, until its interval is as narrow as 5 % or the budget
is spent. Prints, per server: median and 10th to 90th percentile of the error, how often it is within 5 %, how often the
interval holds the truth, its half-width, and the minutes that the search took.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
from queue_servers import SERVERS, QueueServer

from harness.plan.arrivals import Closed
from harness.run.capacity_search import CapacitySearch, Probe

if TYPE_CHECKING:
    from harness.judge.capacity.border import Border

OVERHEAD_S = 3.0


def search(server: QueueServer, rng: np.random.Generator, seconds: float, budget_s: float, noise: float):
    """What the search ends with, and how many trials of rates it took."""
    found = CapacitySearch(round(budget_s / (seconds + OVERHEAD_S)))
    seen: dict[float, list] = {}
    while (load := found.next_load()) is not None:
        if isinstance(load, Closed):
            found.observe(Probe(load, server.ceiling_rps))
            continue
        own = seen.setdefault(load.rate_rps, [])
        own.append(server.trial(rng, load.rate_rps, seconds, noise))
        found.observe(Probe(load, load.rate_rps, {"p99": tuple(own)}, len(own)))
    return found.border, sum(map(len, seen.values()))


def row(server: QueueServer, found: list[tuple[Border | None, int]], seconds: float) -> str:
    borders = [border for border, _ in found if border is not None]
    errors = np.array([border.rate_rps.value / server.capacity_rps - 1.0 for border in borders])
    holds = [border.rate_rps.ends[0] <= server.capacity_rps <= border.rate_rps.ends[1] for border in borders]
    half = np.median([border.half_width for border in borders])
    minutes = np.median([trials for _, trials in found]) * (seconds + OVERHEAD_S) / 60
    return (
        f"| {server.name} | {server.capacity_rps:g} | {np.median(errors):+.1%} | {np.quantile(errors, 0.1):+.1%} to "
        f"{np.quantile(errors, 0.9):+.1%} | {np.sum(np.abs(errors) <= 0.05) / len(found):.0%} | "
        f"{np.sum(holds) / len(found):.0%} | {half:.0%} | {minutes:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--budget", type=float, default=240.0)
    parser.add_argument("--noise", type=float, default=0.0)
    parser.add_argument("--server", default="")
    given = parser.parse_args()
    print("| server | truth | error, median | 10 to 90 % | within 5 % | interval holds | half-width | minutes |")
    print("|---|---|---|---|---|---|---|---|")
    for server in SERVERS:
        if given.server in server.name:
            found = [
                search(server, np.random.default_rng(seed), given.seconds, given.budget, given.noise)
                for seed in range(given.first_seed, given.first_seed + given.seeds)
            ]
            print(row(server, found, given.seconds), flush=True)


if __name__ == "__main__":
    main()
